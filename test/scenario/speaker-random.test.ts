import fc from 'fast-check';
import { expect, test } from 'vitest';
import { asPathOf, networkOf, SpeakerLab, type TestSpeaker } from '../support/speaker-lab.ts';

/** Everything that may happen to a network of speakers with an AS each. Numbers are taken modulo what there is. */
type Event =
  | { readonly type: 'cut' | 'break' | 'heal' | 'clear'; readonly link: number }
  | { readonly type: 'announce' | 'withdraw'; readonly speaker: number; readonly network: number }
  | { readonly type: 'wait'; readonly ms: number };

interface Scenario {
  readonly count: number;
  /** Pairs of speakers with a session, beside the row that joins all. */
  readonly chords: readonly (readonly [number, number])[];
  readonly events: readonly Event[];
  readonly maxSegment: number;
}

const index = fc.nat({ max: 99 });

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('cut' as const, 'break' as const), link: index }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('heal' as const), link: index }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('clear' as const), link: index }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom('announce' as const, 'withdraw' as const),
      speaker: index,
      network: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('wait' as const),
      ms: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 15_000 })),
    }),
  },
);

const scenario: fc.Arbitrary<Scenario> = fc.record({
  count: fc.integer({ min: 2, max: 8 }),
  chords: fc.array(fc.tuple(index, index), { maxLength: 6 }),
  events: fc.array(event, { minLength: 1, maxLength: 25 }),
  maxSegment: fc.constantFrom(7, 64, 65_536),
});

interface Link {
  readonly a: TestSpeaker;
  readonly b: TestSpeaker;
  isUp: boolean;
}

/** Networks that several speakers may announce. */
const anycast = ['192.0.2.0/24', '198.51.100.0/24', '2001:db8:ffff::/48'];

/** A lab with the sessions of a scenario, and which links are up. */
function build({ count, chords, maxSegment }: Scenario): { lab: SpeakerLab; links: Link[] } {
  const lab = new SpeakerLab({ maxSegment });
  const speakers = lab.speakersOfOwnAs(count);
  const links: Link[] = [];
  const row = Array.from({ length: count - 1 }, (_, i) => [i, i + 1] as const);
  for (const [i, j] of [...row, ...chords]) {
    const [a, b] = [speakers[i % count] as TestSpeaker, speakers[j % count] as TestSpeaker];
    if (a === b || links.some((link) => (link.a === a && link.b === b) || (link.a === b && link.b === a))) continue;
    lab.connect(a, b);
    links.push({ a, b, isUp: true });
  }
  return { lab, links };
}

function perform(lab: SpeakerLab, links: readonly Link[], originated: Map<string, Set<TestSpeaker>>, one: Event): void {
  if ('ms' in one) {
    lab.run(one.ms / 1000);
    return;
  }
  if ('network' in one) {
    const speaker = lab.speakers[one.speaker % lab.speakers.length] as TestSpeaker;
    const text = anycast[one.network] as string;
    const origins = originated.get(text) ?? new Set();
    originated.set(text, origins);
    if (one.type === 'announce' && !origins.has(speaker)) speaker.originate(text);
    if (one.type === 'withdraw' && origins.has(speaker)) speaker.unoriginate(text);
    if (one.type === 'announce') origins.add(speaker);
    else origins.delete(speaker);
    return;
  }
  const link = links[one.link % links.length] as Link;
  const { a, b } = link;
  if (one.type === 'clear') a.speaker.find(b.name)?.peer.clear();
  else if (one.type === 'heal') lab.heal(a, b);
  else lab[one.type](a, b);
  if (one.type !== 'clear') link.isUp = one.type === 'heal';
}

/** ASes between every speaker and the nearest of `origins`, over links that are up. */
function steps(links: readonly Link[], origins: Iterable<TestSpeaker>): Map<TestSpeaker, number> {
  const found = new Map([...origins].map((one) => [one, 0]));
  for (let queue = [...found.keys()]; queue.length > 0; ) {
    const one = queue.shift() as TestSpeaker;
    for (const { a, b, isUp } of links) {
      const next = a === one ? b : b === one ? a : undefined;
      if (!isUp || next === undefined || found.has(next)) continue;
      found.set(next, (found.get(one) ?? 0) + 1);
      queue = [...queue, next];
    }
  }
  return found;
}

/** Hold times are over, connections are tried again, everything is told. */
const SETTLE_SECONDS = 45;

function runScenario(given: Scenario): void {
  const { lab, links } = build(given);
  const originated = new Map<string, Set<TestSpeaker>>();
  for (const one of lab.speakers) {
    for (const version of [4, 6] as const) originated.set(networkOf(one, version), new Set([one]));
  }
  lab.run(5);
  for (const one of given.events) perform(lab, links, originated, one);
  lab.run(SETTLE_SECONDS);
  for (const { a, b, isUp } of links) {
    expect([a.name, b.name, a.stateWith(b) === 'Established', b.stateWith(a) === 'Established']).toEqual([
      a.name,
      b.name,
      isUp,
      isUp,
    ]);
  }
  const tables = new Map(lab.speakers.map((one) => [one, one.best()]));
  for (const [text, origins] of originated) {
    const wanted = steps(links, origins);
    for (const one of lab.speakers) {
      const view = tables.get(one)?.get(text);
      // As many ASes away as the shortest way over links that are up, or not there at all.
      expect([one.name, text, view && asPathOf(view).length]).toEqual([one.name, text, wanted.get(one)]);
      if (view === undefined || origins.has(one)) {
        expect(one.forwarding.has(text)).toBe(false);
        continue;
      }
      // The next hop is a step nearer: following it never leads in a circle.
      const [hop] = one.forwarding.get(text) ?? [];
      const next = lab.speakers.find(({ name, address }) => name === hop || `2001:db8::${address.octets[3]}` === hop);
      expect([one.name, text, next && wanted.get(next)]).toEqual([one.name, text, (wanted.get(one) ?? 0) - 1]);
    }
  }
  for (const one of lab.speakers)
    expect(tables.get(one)?.size).toBe(
      [...originated.values()].filter((origins) => steps(links, origins).has(one)).length,
    );
}

test('whatever links do, the tables end up as the shortest ways over those that are up', () => {
  fc.assert(fc.property(scenario, runScenario), {
    numRuns: 100,
    interruptAfterTimeLimit: 12_000,
  });
});

interface ReflectorScenario {
  readonly reflectors: number;
  readonly clients: number;
  /** True: all reflectors have one cluster id, and pass on nothing that they have from each other. */
  readonly isOneCluster: boolean;
  readonly events: readonly Event[];
}

const reflectorScenario: fc.Arbitrary<ReflectorScenario> = fc.record({
  reflectors: fc.integer({ min: 1, max: 3 }),
  clients: fc.integer({ min: 2, max: 5 }),
  isOneCluster: fc.boolean(),
  events: fc.array(
    event.filter((one) => !('network' in one)),
    { minLength: 1, maxLength: 20 },
  ),
});

function runReflectors({ reflectors: count, clients: clientCount, isOneCluster, events }: ReflectorScenario): void {
  const lab = new SpeakerLab();
  const asn = 64512;
  const reflectors = Array.from({ length: count }, (_, i) =>
    lab.speaker({ asn, clusterId: `1.1.1.${isOneCluster ? 1 : i + 1}` }),
  );
  const clients = Array.from({ length: clientCount }, () => lab.speaker({ asn }));
  const links: Link[] = [];
  const connect = (a: TestSpeaker, b: TestSpeaker, isClient: boolean): void => {
    lab.connect(a, b, { rib: { routeReflectorClient: isClient } });
    links.push({ a, b, isUp: true });
  };
  for (const [i, one] of reflectors.entries()) {
    for (const other of reflectors.slice(i + 1)) connect(one, other, false);
    for (const client of clients) connect(one, client, true);
  }
  for (const one of clients) one.originate(networkOf(one));
  lab.run(5);
  for (const one of events) perform(lab, links, new Map(), one);
  lab.run(SETTLE_SECONDS);

  const isUp = (one: TestSpeaker, other: TestSpeaker): boolean =>
    links.some(({ a, b, isUp }) => isUp && ((a === one && b === other) || (a === other && b === one)));
  for (const client of clients) {
    for (const other of clients) {
      if (other === client) continue;
      // Through a reflector of both, or through two that hear each other (RFC 4456 §7: not if they are one cluster).
      const isHeard = reflectors.some(
        (near) =>
          isUp(near, client) &&
          (isUp(near, other) ||
            (!isOneCluster && reflectors.some((far) => far !== near && isUp(far, other) && isUp(far, near)))),
      );
      expect([client.name, other.name, client.forwarding.get(networkOf(other))]).toEqual([
        client.name,
        other.name,
        isHeard ? [other.name] : undefined,
      ]);
    }
  }
}

test('whatever happens between reflectors and clients, each client has what a reflector can tell it', () => {
  fc.assert(fc.property(reflectorScenario, runReflectors), { numRuns: 60, interruptAfterTimeLimit: 6_000 });
});
