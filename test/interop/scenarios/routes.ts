import { Families, type FamilyName, formatPrefix, ip, type Prefix } from 'bgp-ts';
import { expect } from 'vitest';
import type { TestPeer } from '../../support/test-peer.ts';
import { waitFor } from '../../support/wait-for.ts';
import { type Daemon, type DaemonName, daemonNames } from '../daemons/daemon.ts';
import { type Hop, isOfBlock, makeRoutes, type RouteGroup, routesAfter } from '../lab/attribute-corpus.ts';
import { Chain, type ChainOptions } from '../lab/chain.ts';
import { addresses, routerIds } from '../lab/network.ts';
import { differences, type ShownField, type ShownRoute, type ShownRoutes, shown } from '../lab/shown-route.ts';
import type { ChainScenario, Note, Subject } from '../scenario.ts';

/** One way in which podrouted and a daemon meet. */
interface Variant extends Omit<ChainOptions, 'label' | 'daemon'> {
  readonly name: string;
  readonly subject: Subject;
  readonly rfc?: string;
  /** In the end the session is cleared, by either side, and everything comes back. */
  readonly isCleared?: boolean;
  /** Families that the session can have; both when left out. */
  readonly families?: Partial<Record<DaemonName, readonly FamilyName[]>>;
  /** Daemons that must not be sent an AGGREGATOR. */
  readonly withoutAggregator?: readonly DaemonName[];
  /** Daemons that cannot do this, and why. */
  readonly impossible?: Partial<Record<DaemonName, string>>;
}

const reflection = { west: 65010, node: 65010, peer: 65010, east: 65010 };
const shortAsns = { west: 65001, node: 65010, peer: 65020, east: 65030 };
const longAsns = { west: 65001, node: 4200000010, peer: 65020, east: 4200000030 };

const variants: readonly Variant[] = [
  { name: 'iBGP, each a reflector', subject: 'reflection', rfc: 'RFC 4456', asns: reflection, isCleared: true },
  { name: 'eBGP', subject: 'attributes', rfc: 'RFC 4271 §5', asns: longAsns, isCleared: true },
  {
    name: 'eBGP between two ASes with more inside',
    subject: 'attributes',
    rfc: 'RFC 4271 §5.1.5',
    asns: { west: 65010, node: 65010, peer: 4200000020, east: 4200000020 },
  },
  { name: 'eBGP, session over IPv6', subject: 'attributes', rfc: 'RFC 4760', asns: longAsns, transport: 'ipv6' },
  {
    name: 'eBGP, session with two-octet AS numbers',
    subject: 'capabilities',
    rfc: 'RFC 6793',
    asns: shortAsns,
    peerSettings: { twoOctetAs: true },
    twoOctetEast: true,
    // FRR leaves the capability out only together with all others, and without them there is IPv4 only (RFC 4760 §8).
    families: { FRR: ['ipv4-unicast'] },
    // FRR 8.4 takes whoever offers four-octet AS numbers for one that uses them, whether it has offered them itself or not: it wants an
    // AGGREGATOR of eight octets and leaves AS4_PATH aside.
    withoutAggregator: ['FRR'],
    impossible: { GoBGP: 'always offers four octets' },
  },
  // GoBGP guesses from an AS_PATH's octets how wide its AS numbers are, and takes `65030 65106 23456 {65107,23456}` for a path of three
  // wide ones: podrouted is to merge AS4_PATH, so that the narrow feeder is the one behind it.
  {
    name: 'eBGP, a feeder with two-octet AS numbers',
    subject: 'capabilities',
    rfc: 'RFC 6793',
    asns: shortAsns,
    twoOctetWest: true,
  },
];

const WEST_BLOCK = 20;
const EAST_BLOCK = 30;
const both: readonly FamilyName[] = ['ipv4-unicast', 'ipv6-unicast'];
/** Each variant with 1,000 IPv4 and 1,000 IPv6 routes each way. */
export const routeScenarios: readonly ChainScenario[] = variants.map((variant): ChainScenario => {
  const { name, subject, rfc, impossible } = variant;
  return {
    subject,
    on: 'own network',
    name: `1,000 IPv4 and 1,000 IPv6 routes each way, all attributes: ${name}`,
    ...(rfc === undefined ? {} : { rfc }),
    lacks: { ExaBGP: 'passes no routes on', ...impossible },
    run: (daemon) => carry(variant, daemon),
  };
});

/** Routes both ways, half of them withdrawn, and for some variants the session cleared by either side. */
async function carry(variant: Variant, daemon: DaemonName): Promise<Note> {
  const label = `rts${variants.indexOf(variant)}${daemonNames.indexOf(daemon)}-`;
  const chain = Chain.start({ label, daemon, ...variant });
  try {
    const note = await carryOver(chain, variant);
    chain.expectQuietLog();
    return note;
  } catch (error) {
    console.error(chain.lab.logTails(20).join('\n'));
    throw error;
  } finally {
    await chain.close();
  }
}

async function carryOver(mine: Chain, variant: Variant): Promise<Note> {
  const { daemon } = mine.options;
  const families = variant.families?.[daemon] ?? both;
  await mine.established();
  if (variant.peerSettings?.twoOctetAs !== true) {
    expect(mine.daemon.session(mine.nodeAddress).families).toEqual(families);
  }
  expect(mine.shownPeer().capabilities.inForce).toMatchObject({
    families,
    fourOctetAs: variant.peerSettings?.twoOctetAs !== true,
  });
  const plan = planOf(variant, families, mine.daemon);
  const [west, east] = await Promise.all([mine.west(), mine.east()]);
  announceAll(west, plan.west);
  announceAll(east, plan.east);
  await agree(mine, plan, west, east, new Set());

  const gone = new Set<string>();
  for (const [feeder, routes] of [
    [west, plan.west],
    [east, plan.east],
  ] as const) {
    for (const family of families) {
      const half = prefixesOf(routes, family).filter((_, i) => i % 2 === 1);
      feeder.withdraw(half);
      for (const prefix of half) gone.add(formatPrefix(prefix));
    }
  }
  await agree(mine, plan, west, east, gone);

  if (variant.isCleared === true) {
    for (const clear of [() => mine.node.bgpctl('clear', 'peer'), () => mine.daemon.clear(mine.nodeAddress)]) {
      const before = (await mine.peer()).counters.established;
      clear();
      await mine.established(before);
      await agree(mine, plan, west, east, gone);
    }
  }
  return families.length === both.length ? undefined : families.join(', ');
}

/** Everything that is sent, and what becomes of it where. */
interface Plan {
  readonly west: Record<FamilyName, RouteGroup[]>;
  readonly east: Record<FamilyName, RouteGroup[]>;
  /** What the node does to routes for the daemon, and for the feeder at its side. */
  readonly nodeHop: Hop;
  readonly nodeHopWest: Hop;
  /** What the daemon does to routes for the node, and for the feeder at its side. */
  readonly peerHop: Hop;
  readonly peerHopEast: Hop;
}

function planOf(variant: Variant, families: readonly FamilyName[], daemon: Daemon): Plan {
  const { asns } = variant;
  const withoutAggregator = variant.withoutAggregator?.includes(daemon.name) === true;
  const nextHops = (subnet: number) => ({
    'ipv4-unicast': [2, 3, 4].map((n) => ip(`10.${subnet}.0.${n}`)),
    'ipv6-unicast': [2, 3, 4].map((n) => ip(`fd00:${subnet}::${n}`)),
  });
  const only = (routes: Record<FamilyName, RouteGroup[]>): Record<FamilyName, RouteGroup[]> => ({
    'ipv4-unicast': families.includes('ipv4-unicast') ? routes['ipv4-unicast'] : [],
    'ipv6-unicast': families.includes('ipv6-unicast') ? routes['ipv6-unicast'] : [],
  });
  const kind = (a: number, b: number) => (a === b ? 'ibgp' : 'ebgp');
  const { west, node, peer, east } = asns;
  return {
    west: only(
      makeRoutes({ kind: kind(west, node), asn: west, block: WEST_BLOCK, nextHops: nextHops(1), withoutAggregator }),
    ),
    east: only(makeRoutes({ kind: kind(east, peer), asn: east, block: EAST_BLOCK, nextHops: nextHops(3) })),
    nodeHop: hopAt('node', asns, 'west', 'peer', addresses.node),
    nodeHopWest: hopAt('node', asns, 'peer', 'west', addresses.nodeWest),
    peerHop: hopAt('peer', asns, 'east', 'node', addresses.peer, daemon.keepsInternal),
    peerHopEast: hopAt('peer', asns, 'node', 'east', addresses.peerEast, daemon.keepsInternal),
  };
}

/** What a speaker does to routes from one neighbor for another. @param own its addresses on the link to the latter */
function hopAt(
  at: 'node' | 'peer',
  asns: ChainOptions['asns'],
  from: keyof ChainOptions['asns'],
  to: keyof ChainOptions['asns'],
  own: { readonly ipv4: string; readonly ipv6: string },
  keepsInternal = false,
): Hop {
  if (asns[to] !== asns[at]) {
    const nextHop = { 'ipv4-unicast': ip(own.ipv4), 'ipv6-unicast': ip(own.ipv6) };
    return { type: 'ebgp', asn: asns[at], nextHop, keepsInternal };
  }
  if (asns[from] !== asns[at]) return { type: 'into-as' };
  return { type: 'reflect', clusterId: ip(routerIds[at]), fromRouterId: ip(routerIds[from]) };
}

function announceAll(feeder: TestPeer, routes: Record<FamilyName, RouteGroup[]>): void {
  for (const { name } of Object.values(Families)) {
    for (const { prefixes, attributes } of routes[name]) feeder.announce(prefixes, attributes);
  }
}

function prefixesOf(routes: Record<FamilyName, RouteGroup[]>, family: FamilyName): Prefix[] {
  return routes[family].flatMap(({ prefixes }) => prefixes);
}

function expected(
  routes: Record<FamilyName, RouteGroup[]>,
  hops: readonly Hop[],
  gone: ReadonlySet<string>,
): ShownRoutes {
  const all = new Map<string, ShownRoute>();
  for (const [prefix, attributes] of routesAfter(routes, hops)) {
    if (!gone.has(prefix)) all.set(prefix, shown(attributes));
  }
  return all;
}

/** @throws Error saying who has how many */
function hasAll(who: string, wanted: number, found: number): void {
  if (found !== wanted) throw new Error(`${who}: ${found}`);
}

/** What a feeder hears of the other one's routes; it may also hear its own. */
function seenBy(feeder: TestPeer, block: number): ShownRoutes {
  const heard = [...feeder.routes].filter(([prefix]) => isOfBlock(prefix, block));
  return new Map(heard.map(([prefix, attributes]) => [prefix, shown(attributes)]));
}

/**
 * Both sides of the session, and the feeders behind them, hold what they must: everything but `gone`, with every attribute. What the
 * daemon's commands do not show is in what it passes on to the feeder behind it.
 */
async function agree(
  mine: Chain,
  plan: Plan,
  west: TestPeer,
  east: TestPeer,
  gone: ReadonlySet<string>,
): Promise<void> {
  const { daemon } = mine;
  const shownWest = expected(plan.west, [plan.nodeHop], gone);
  const shownEast = expected(plan.east, [plan.peerHop], gone);
  const atEast = expected(plan.west, [plan.nodeHop, plan.peerHopEast], gone);
  const atWest = expected(plan.east, [plan.peerHop, plan.nodeHopWest], gone);
  await waitFor(
    `${shownWest.size} routes with ${daemon.name}, ${shownEast.size} from it`,
    async () => {
      // What costs a command is asked last.
      hasAll('feeder behind the daemon', atEast.size, seenBy(east, WEST_BLOCK).size);
      hasAll('feeder behind the node', atWest.size, seenBy(west, EAST_BLOCK).size);
      hasAll('node', shownEast.size, await mine.accepted());
      hasAll(daemon.name, shownWest.size, daemon.session(mine.nodeAddress).prefixes);
      return true;
    },
    30_000,
    100,
  );
  const received = mine.receivedRoutes();
  // Over eBGP there is no LOCAL_PREF; what a daemon shows is its own preference.
  const hidden = new Set<ShownField>(daemon.hidden);
  if (plan.nodeHop.type === 'ebgp') hidden.add('localPref');
  const problems = {
    shownByDaemon: differences(shownWest, daemon.routes(mine.nodeAddress), hidden, daemon.isKnownDeparture),
    shownByBgpctl: differences(shownEast, received.routes, new Set(), daemon.isKnownDeparture),
    looped: received.looped.filter((prefix) => !shownWest.has(prefix)),
    passedOnByDaemon: differences(atEast, seenBy(east, WEST_BLOCK), new Set(), daemon.isKnownDeparture),
    passedOnByNode: differences(atWest, seenBy(west, EAST_BLOCK), new Set(), daemon.isKnownDeparture),
    malformed: [...west.problems, ...east.problems],
  };
  const first = Object.entries(problems).map(([where, lines]) => [where, lines.slice(0, 10)]);
  expect(Object.fromEntries(first)).toEqual({
    shownByDaemon: [],
    shownByBgpctl: [],
    looped: [],
    passedOnByDaemon: [],
    passedOnByNode: [],
    malformed: [],
  });
}
