import type { Lab, LabHost } from '../../../deploy/lab/lab.ts';

/** Addresses of the chain `west - node - peer - east`; each `-` is a link of its own. */
export const addresses = {
  west: { ipv4: '10.1.0.2', ipv6: 'fd00:1::2' },
  nodeWest: { ipv4: '10.1.0.1', ipv6: 'fd00:1::1' },
  /** The link-local ones with the interface that leads there, as the other end names them. */
  node: { ipv4: '10.2.0.1', ipv6: 'fd00:2::1', 'link-local': 'fe80::1%node' },
  peer: { ipv4: '10.2.0.2', ipv6: 'fd00:2::2', 'link-local': 'fe80::2%peer' },
  peerEast: { ipv4: '10.3.0.1', ipv6: 'fd00:3::1' },
  east: { ipv4: '10.3.0.2', ipv6: 'fd00:3::2' },
} as const;

/** Router ids; those of node and peer are also their cluster ids. */
export const routerIds = { west: '10.1.0.2', node: '10.2.0.1', peer: '10.2.0.2', east: '10.3.0.2' } as const;

/** What the session between node and daemon runs over. */
export type Transport = 'ipv4' | 'ipv6' | 'link-local';

/** What is between node and daemon; on a link without addresses theirs are on the loopbacks. */
export type Middle = 'link' | 'link without addresses' | 'router';

/** A router between node and daemon; also the source of what it has to say itself. */
const router = { ipv4: '10.2.9.1', ipv6: 'fd00:2:9::1' } as const;

/** The hosts of a chain. */
export interface ChainHosts {
  readonly west: LabHost;
  readonly node: LabHost;
  readonly peer: LabHost;
  readonly east: LabHost;
  readonly router?: LabHost;
}

/** Builds the hosts and links of a chain, and waits until they carry packets. */
export function chainHosts(lab: Lab, middle: Middle): ChainHosts {
  const hosts = joinedHosts(lab, middle);
  carriersUp(hosts.node);
  return hosts;
}

function joinedHosts(lab: Lab, middle: Middle): ChainHosts {
  const hosts: ChainHosts = {
    west: lab.host('west'),
    node: lab.host('node'),
    peer: lab.host('peer'),
    east: lab.host('east'),
  };
  const { west, node, peer, east } = hosts;
  lab.link(west, 'eth0', both(addresses.west), node, 'west', both(addresses.nodeWest));
  lab.link(peer, 'east', both(addresses.peerEast), east, 'eth0', both(addresses.east));
  switch (middle) {
    case 'link':
      lab.link(node, 'peer', onLink('node'), peer, 'node', onLink('peer'));
      // Next hops that reflectors leave alone must be within reach.
      route(node, ['10.3.0.0/24', 'fd00:3::/64'], addresses.peer);
      route(peer, ['10.1.0.0/24', 'fd00:1::/64'], addresses.node);
      break;
    case 'link without addresses':
      for (const host of [node, peer]) host.sysctl('net.ipv6.conf.default.addr_gen_mode', 1);
      lab.link(node, 'peer', [linkLocalOf('node')], peer, 'node', [linkLocalOf('peer')]);
      for (const name of ['node', 'peer'] as const) {
        for (const address of alone(addresses[name])) hosts[name].ip(`addr add ${address} dev lo`);
      }
      break;
    case 'router':
      return { ...hosts, router: joinByRouter(lab, node, peer) };
  }
  return hosts;
}

/** Node and daemon have their addresses as ever, and a hop between them. */
function joinByRouter(lab: Lab, node: LabHost, peer: LabHost): LabHost {
  const between = lab.host('router');
  lab.link(node, 'peer', alone(addresses.node), between, 'node', alone(router));
  lab.link(peer, 'node', alone(addresses.peer), between, 'peer', alone(router));
  for (const [host, name] of [
    [node, 'node'],
    [peer, 'peer'],
  ] as const) {
    const device = name === 'node' ? 'peer' : 'node';
    for (const address of alone(router)) host.ip(`route add ${address} dev ${device}`);
    route(host, ['10.0.0.0/8', 'fd00::/16'], router);
    for (const address of alone(addresses[name])) between.ip(`route add ${address} dev ${name}`);
  }
  return between;
}

function route(host: LabHost, prefixes: readonly string[], gateway: { readonly ipv4: string; readonly ipv6: string }) {
  for (const prefix of prefixes)
    host.ip(`route add ${prefix} via ${prefix.includes(':') ? gateway.ipv6 : gateway.ipv4}`);
}

function onLink(name: 'node' | 'peer'): string[] {
  return [...both(addresses[name]), linkLocalOf(name)];
}

function linkLocalOf(name: 'node' | 'peer'): string {
  return addresses[name]['link-local'].replace(/%.*/, '/64');
}

function both({ ipv4, ipv6 }: { readonly ipv4: string; readonly ipv6: string }): string[] {
  return [`${ipv4}/24`, `${ipv6}/64`];
}

function alone({ ipv4, ipv6 }: { readonly ipv4: string; readonly ipv6: string }): string[] {
  return [`${ipv4}/32`, `${ipv6}/128`];
}

/**
 * Waits until the kernel says of every link of a host that it has its carrier: it does so a moment after packets pass, and until then Node does
 * not list the addresses there.
 */
export function carriersUp(host: LabHost): void {
  const isDown = 'ip -o link show up type veth | grep -vq "state UP"';
  host.run(['timeout', '10', 'sh', '-c', `while ${isDown}; do :; done`]);
}
