import { ip, Origin, parseAsPath, prefix } from 'bgp-ts';
import type { TestPeer } from '../../support/test-peer.ts';
import { waitFor } from '../../support/wait-for.ts';
import type { Note } from '../scenario.ts';
import { Chain, type ChainOptions } from './chain.ts';
import { addresses } from './network.ts';

const asns = { west: 65001, node: 65010, peer: 65020, east: 65030 };

/** Routes each way, half of them of each family. */
export const ROUTES = 20;

/** Chains made so far: several are there at once, and each has names of its own. */
let chains = 0;

/** A chain of sessions, of eBGP unless the AS numbers are said, taken down whatever happens. */
export async function withChain(
  options: Omit<ChainOptions, 'asns' | 'label'> & Partial<Pick<ChainOptions, 'asns'>>,
  body: (chain: Chain) => Promise<Note>,
): Promise<Note> {
  chains += 1;
  const chain = Chain.start({ asns, label: `ses${chains}`, ...options });
  try {
    const note = await body(chain);
    chain.expectQuietLog();
    return note;
  } catch (error) {
    console.error(chain.lab.logTails(30).join('\n'));
    throw error;
  } finally {
    await chain.close();
  }
}

/** Announces a few routes of both families from one end; two sets of attributes, so that they travel in more than one message. */
export function announce(feeder: TestPeer, block: 20 | 30): void {
  const end = block === 20 ? { asn: 65001, subnet: 1 } : { asn: 65030, subnet: 3 };
  for (const [half, origin] of [Origin.Igp, Origin.Incomplete].entries()) {
    const numbers = Array.from({ length: ROUTES / 4 }, (_, i) => (half * ROUTES) / 4 + i);
    const attributes = { origin, asPath: parseAsPath(`${end.asn}`) ?? [] };
    feeder.announce(
      numbers.map((i) => prefix(`${block}.0.${i}.0/24`)),
      { ...attributes, nextHop: ip(`10.${end.subnet}.0.2`) },
    );
    feeder.announce(
      numbers.map((i) => prefix(`2001:db8:${block}:${i}::/64`)),
      { ...attributes, nextHop: ip(`fd00:${end.subnet}::2`) },
    );
  }
}

/** Waits until both sides hold all routes of the other. */
export async function converged(chain: Chain): Promise<void> {
  await waitFor(
    `${ROUTES} routes each way`,
    async () => {
      const seen = { withDaemon: chain.daemon.session(chain.nodeAddress).prefixes, fromDaemon: await chain.accepted() };
      if (seen.withDaemon !== ROUTES || seen.fromDaemon !== ROUTES) throw new Error(JSON.stringify(seen));
      return true;
    },
    30_000,
    100,
  );
}

/** The same from behind the daemon, or where nothing can be behind it, by the daemon itself. */
export async function announceEast(chain: Chain): Promise<void> {
  const { daemon, nodeAddress } = chain;
  if (daemon.announce === undefined) return announce(await chain.east(), 30);
  await waitFor('the daemon ready for commands', () => daemon.session(nodeAddress).isEstablished, 20_000, 100);
  for (const [half, origin] of ['IGP', 'incomplete'].entries()) {
    const numbers = Array.from({ length: ROUTES / 4 }, (_, i) => (half * ROUTES) / 4 + i);
    const ipv4 = numbers.map((i) => `30.0.${i}.0/24`);
    const ipv6 = numbers.map((i) => `2001:db8:30:${i}::/64`);
    daemon.announce(nodeAddress, ipv4, { origin, nextHop: addresses.peer.ipv4 });
    daemon.announce(nodeAddress, ipv6, { origin, nextHop: addresses.peer.ipv6 });
  }
}
