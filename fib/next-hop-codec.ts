import type { NetlinkMessage, NetlinkRequest } from '../netlink/message.ts';
import { addNextHop, decodeNextHop, deleteNextHop } from '../netlink/nexthop.ts';
import type { KernelNextHop, NextHopOperation } from './kernel.ts';

/**
 * An operation on a nexthop object as a request.
 * @throws RangeError for a single object without gateway or interface: the kernel wants both of those we write
 */
export function nextHopRequest(operation: NextHopOperation): NetlinkRequest {
  if (operation.op === 'delete') return deleteNextHop(operation.id);
  const { op, nextHop } = operation;
  const mode = op === 'add' ? 'create' : 'replace';
  const { id, protocol } = nextHop;
  if (nextHop.type === 'group') return addNextHop({ type: 'group', id, protocol, members: nextHop.members }, mode);
  const { gateway, ifIndex, onlink } = nextHop.hop;
  if (gateway === undefined || ifIndex === undefined)
    throw new RangeError(`nexthop ${id}: gateway or interface missing`);
  const { version, octets } = gateway;
  return addNextHop(
    { type: 'single', id, protocol, version, gateway: octets, interfaceIndex: ifIndex, onLink: onlink },
    mode,
  );
}

/** A nexthop object as the kernel tells of it; undefined for a message of a kind unknown here (resilient groups, bridge FDB). */
export function asKernelNextHop(message: NetlinkMessage): KernelNextHop | undefined {
  const nextHop = decodeNextHop(message);
  if (nextHop === undefined) return undefined;
  const { id, protocol } = nextHop;
  if (nextHop.type === 'group') return { type: 'group', id, protocol, members: nextHop.members };
  if (nextHop.type === 'blackhole') return { type: 'other', id, protocol };
  const { gateway, interfaceIndex, onLink } = nextHop;
  return {
    type: 'single',
    id,
    protocol,
    hop: {
      ifIndex: interfaceIndex,
      ...(gateway === undefined ? {} : { gateway: { version: gateway.length === 4 ? 4 : 6, octets: gateway } }),
      ...(onLink === true ? { onlink: true } : {}),
    },
  };
}
