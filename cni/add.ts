import { type IpAddress, parseIp } from 'bgp-ts';
import { errorMessage } from '../lib/result.ts';
import { type CommandContext, wireRequestOf, wiringFailure } from './context.ts';
import { detach } from './del.ts';
import type { AllocateRequest } from './ipam/ipam.ts';
import type { Attachment } from './ipam/store.ts';
import type { AttachRequest } from './request.ts';
import { type AddResult, CniCode, CniError, type ResultIp, type ResultRoute } from './spec.ts';
import { gateway4, gateway6, hostIfName } from './wiring.ts';

/**
 * ADD: addresses, wiring, and the routes to the pod in the kernel before it answers. Asked again for a pod that stands
 * as it was left, it answers the same; whatever else is left of an earlier attempt is undone first.
 * @throws CniError; nothing of the attempt is left then
 */
export async function add(context: CommandContext, request: AttachRequest): Promise<AddResult> {
  const earlier = context.ipam.get(request);
  if (earlier !== undefined) {
    if (await stands(context, request, earlier)) return resultOf(earlier, request.config.dns);
    context.log.info('cni redo', { container: request.containerId, interface: request.ifName, state: earlier.state });
    await detach(context, earlier);
  }
  const mtu = request.config.mtu ?? context.mtu;
  const wish: AllocateRequest = {
    containerId: request.containerId,
    ifName: request.ifName,
    hostIfName: hostIfName(request.containerId, request.ifName),
    network: request.config.name,
    netns: request.netns,
    ...(request.podNamespace === undefined ? {} : { podNamespace: request.podNamespace }),
    ...(request.podName === undefined ? {} : { podName: request.podName }),
    defaultRoutes: request.config.defaultRoutes,
    ...(mtu === undefined ? {} : { mtu }),
    createdMs: Math.round(context.clock.wallMs()),
    wanted: request.wanted,
  };
  let attachment: Attachment;
  try {
    attachment = context.ipam.allocate(wish, context.clock.wallMs());
  } catch (error) {
    if (!isFull(error) || !(await context.moreAddresses())) throw error;
    attachment = context.ipam.allocate(wish, context.clock.wallMs());
  }
  context.step('intent', attachment);
  try {
    const wired = await context.wiring.wire(wireRequestOf(attachment, addressesOf(attachment)));
    context.step('wired', attachment);
    const ready = context.ipam.confirm(attachment, wired);
    context.attached(ready);
    context.step('attached', attachment);
    return resultOf(ready, request.config.dns);
  } catch (error) {
    await undo(context, attachment);
    throw wiringFailure(error);
  }
}

/** No address is free, and more may come. */
function isFull(error: unknown): boolean {
  return error instanceof CniError && (error.code === CniCode.NoFreeAddress || error.code === CniCode.TryAgainLater);
}

/** The addresses of an attachment as values. */
export function addressesOf(attachment: Attachment): IpAddress[] {
  return attachment.addresses.map((text) => parseIp(text)).filter((address) => address !== undefined);
}

async function stands(context: CommandContext, request: AttachRequest, earlier: Attachment): Promise<boolean> {
  if (earlier.state !== 'ready' || earlier.wired === undefined || earlier.netns !== request.netns) return false;
  const problems = await context.wiring.verify(wireRequestOf(earlier, addressesOf(earlier)));
  return problems.length === 0;
}

/** Takes a failed attempt back. What cannot be taken back now stays recorded, and DEL or the next start finishes it. */
async function undo(context: CommandContext, attachment: Attachment): Promise<void> {
  try {
    await detach(context, attachment);
  } catch (error) {
    context.log.error('cni undo failed', { container: attachment.containerId, error: errorMessage(error) });
  }
}

function resultOf(attachment: Attachment, dns: AddResult['dns']): AddResult {
  const wired = attachment.wired;
  if (wired === undefined) throw new Error(`attachment ${attachment.containerId} ${attachment.ifName} is not wired`);
  const addresses = addressesOf(attachment);
  const ips: ResultIp[] = addresses.map((address) => ({
    address,
    prefixLength: address.octets.length * 8,
    gateway: address.version === 4 ? gateway4 : gateway6,
    interface: 1,
  }));
  const routes: ResultRoute[] = !attachment.defaultRoutes
    ? []
    : addresses.map((address) =>
        address.version === 4 ? { dst: '0.0.0.0/0', gateway: gateway4 } : { dst: '::/0', gateway: gateway6 },
      );
  return {
    interfaces: [
      { name: attachment.hostIfName, mac: wired.hostMac, mtu: wired.mtu },
      { name: attachment.ifName, mac: wired.podMac, mtu: wired.mtu, sandbox: attachment.netns },
    ],
    ips,
    routes,
    dns,
  };
}
