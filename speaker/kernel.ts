import type { DesiredFib, DesiredState } from '../config/desired-state.ts';
import { Fib } from '../fib/fib.ts';
import { NatOutgoing } from '../fib/nat-outgoing.ts';
import type { NetlinkKernel } from '../fib/netlink-kernel.ts';
import type { NextHopTable } from '../fib/next-hop-table.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { ForwardingReading } from './control.ts';
import { Forwarding, type ForwardingDeps } from './forwarding.ts';

/** The kernel's side of a speaker that forwards. */
export interface Kernel {
  readonly routes: NetlinkKernel;
  readonly fib: Fib;
  readonly nextHops: NextHopTable;
  readonly forwarding: Forwarding;
  readonly nat: NatOutgoing;
}

/** Makes it, and asks the kernel nothing yet. */
export function joinKernel(options: {
  readonly routes: NetlinkKernel;
  readonly nextHops: NextHopTable;
  readonly settings: DesiredFib;
  readonly selectedHops: ForwardingDeps['selectedHops'];
  readonly clock: Clock;
  readonly log: Logger;
}): Kernel {
  const { routes, nextHops, settings, selectedHops, clock, log } = options;
  const { protocol, table, metric, ipv6Metric, nextHopObjects } = settings;
  const fib = new Fib(routes, { protocol, table, metric, nextHopObjects, log, clock });
  const forwarding = new Forwarding({
    table: fib,
    selectedHops,
    resolve: (address, ifIndex) => nextHops.resolve(address, ifIndex),
    linkIndex: (device) => nextHops.linkIndex(device),
    metric: { 'ipv4-unicast': metric, 'ipv6-unicast': ipv6Metric },
  });
  return { routes, fib, nextHops, forwarding, nat: new NatOutgoing({ clock, log }) };
}

/** What the control API asks of it. */
export function forwardingReading(
  { fib, nextHops, forwarding }: Kernel,
  state: DesiredState,
): Omit<ForwardingReading, 'isConverged'> {
  const { table, protocol, metric } = state.fib;
  return {
    table,
    protocol,
    metric,
    list: () => fib.list(),
    listOf: (prefix) => fib.list(prefix),
    count: () => fib.counters.wanted,
    isNeverInstalled: ({ address, length }) =>
      forwarding.isNeverInstalled(address.version === 4 ? 'ipv4-unicast' : 'ipv6-unicast', address.octets, length),
    check: async () => {
      await fib.flush();
      return fib.check();
    },
    checkNextHops: () => fib.checkNextHops(),
    linkName: (ifIndex) => nextHops.linkName(ifIndex),
  };
}
