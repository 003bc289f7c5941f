import { waitFor } from '../../support/wait-for.ts';
import type { DaemonName } from '../daemons/daemon.ts';
import type { ChainOptions } from '../lab/chain.ts';
import { announce, announceEast, converged, withChain } from '../lab/few-routes.ts';
import type { ChainScenario, Note } from '../scenario.ts';

const common = { subject: 'fabric', on: 'own network' } as const;
const link: Pick<ChainOptions, 'transport' | 'middle'> = { transport: 'link-local', middle: 'link without addresses' };
const lacks = {
  OpenBGPD: 'has no extended next hops',
  ExaBGP: 'reads no address with an interface',
};

/** Routes of both families go both ways over link-local addresses, and the kernel's lead to them. */
async function both(daemon: DaemonName, options: Partial<ChainOptions>): Promise<Note> {
  return withChain({ daemon, ...link, ...options }, async (chain) => {
    announce(await chain.west(), 20);
    await announceEast(chain);
    await chain.established();
    await converged(chain);
    for (const prefix of ['30.0.0.0/24', '2001:db8:30::/64']) {
      await waitFor(`a route of the kernel to ${prefix} by way of the daemon`, () => {
        const [route] = chain.hosts.node.ipJson(`${prefix.includes(':') ? '-6 ' : ''}route show ${prefix}`);
        const text = JSON.stringify(route ?? {});
        if (!text.includes('"fe80::2"') || !text.includes('"dev":"peer"')) throw new Error(text);
        return true;
      });
    }
    return undefined;
  });
}

/** Sessions between the link-local addresses of a link that has no others. */
export const linkLocalScenarios: readonly ChainScenario[] = [
  {
    ...common,
    name: 'a link-local peer, IPv4 routes with its address as next hop both ways',
    rfc: 'RFC 8950',
    lacks,
    run: (daemon) =>
      both(daemon, {
        nodeSettings: { sourceAddress: 'fe80::1', extendedNextHop: true },
        peerSettings: { extendedNextHop: true },
      }),
  },
  {
    ...common,
    name: 'an unnumbered peer, by interface',
    rfc: 'RFC 8950',
    lacks,
    run: async (daemon) => {
      await both(daemon, {
        nodeSettings: { peerIP: undefined, interface: 'peer' },
        peerSettings: { extendedNextHop: true, byInterface: true },
      });
      return daemon === 'FRR' ? undefined : 'is told the address, and found by its call';
    },
  },
];
