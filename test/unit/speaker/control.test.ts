import { formatCommunity, ip, type Prefix, prefix, prefixEquals, Role } from 'bgp-ts';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Route } from '../../../lib/api.ts';
import { peerDetailSchema, routeSchema, statusReplySchema } from '../../../lib/api.ts';
import { fibCheckReplySchema, fibRouteSchema } from '../../../lib/api-fib.ts';
import { rejectAll } from '../../../rib/policy/evaluate.ts';
import { ControlError, type Listing } from '../../../speaker/api/control-surface.ts';
import {
  Control,
  type ForwardingReading,
  type KernelDifferenceReading,
  type KernelRouteReading,
} from '../../../speaker/control.ts';
import { SpeakerLab, type TestSpeaker } from '../../support/speaker-lab.ts';

/** A kernel that has these routes; nothing differs unless a test says so. */
class FakeReading implements ForwardingReading {
  readonly table = 254;
  readonly protocol = 177;
  readonly metric = 1024;
  routes: KernelRouteReading[] = [];
  differences: KernelDifferenceReading[] = [];

  list(): readonly KernelRouteReading[] {
    return this.routes;
  }

  listOf(wanted: Prefix): readonly KernelRouteReading[] {
    return this.routes.filter((route) => prefixEquals(route.prefix, wanted));
  }

  count(): number {
    return this.routes.length;
  }

  isConverged(): boolean {
    return true;
  }

  isNeverInstalled(): boolean {
    return false;
  }

  async check(): Promise<readonly KernelDifferenceReading[]> {
    return this.differences;
  }

  async checkNextHops(): Promise<readonly never[]> {
    return [];
  }

  linkName(ifIndex: number): string | undefined {
    return ifIndex === 2 ? 'eth0' : undefined;
  }
}

async function collect<T>({ entries }: Listing<never, T>): Promise<T[]> {
  const all: T[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

describe('what bgpctl is told', () => {
  let lab: SpeakerLab;
  let node: TestSpeaker;
  let tor: TestSpeaker;
  let kernel: FakeReading;
  let reloads: boolean[];
  let wakes: number;
  let resets: number;

  function control(forwarding: ForwardingReading | 'none' = kernel): Control {
    return new Control({
      clock: lab.clock,
      startedMs: lab.clock.wallMs() - 90_000,
      rib: node.rib,
      speaker: node.speaker,
      node: () => ({ name: 'node1', asn: node.asn, routerId: node.name }),
      peerFacts: () => ({
        description: 'top of rack',
        routeReflectorClient: false,
        nextHop: 'auto',
        maxPrefix: 100,
        importPolicy: { mode: 'configured', names: ['in'] },
        exportPolicy: { mode: 'rfc8212', names: [], reason: 'none' },
      }),
      forwarding: forwarding === 'none' ? undefined : forwarding,
      pods: () => [],
      blocks: () => [],
      reload: async (dryRun) => {
        reloads.push(dryRun);
        return { applied: !dryRun, changes: [], resets: [], warnings: [] };
      },
      health: () => ({ ready: true, checks: [] }),
      eventLoop: {
        delay: () => ({
          elapsedMs: 2000,
          busyShare: 0.25,
          p50Ms: 0,
          p99Ms: 4,
          maxMs: 12.5,
          cpu: { busyShare: 0.2, p99Ms: 3, maxMs: 9 },
        }),
        reset: () => {
          resets++;
        },
      },
      wake: () => {
        wakes++;
        node.loop.wake();
      },
    });
  }

  /** Routes of a view, each of the documented shape. */
  async function routes(query: Partial<Parameters<Control['routes']>[0]> = {}): Promise<Route[]> {
    const found = await collect(control().routes({ view: 'loc-rib', ...query }) as Listing<never, Route>);
    return found.map((route) => routeSchema.parse(route));
  }

  beforeEach(() => {
    lab = new SpeakerLab();
    [node, tor] = lab.speakersOfOwnAs(2) as [TestSpeaker, TestSpeaker];
    tor.originate('10.2.3.0/24', { med: 5 });
    lab.connect(node, tor);
    lab.run(15);
    kernel = new FakeReading();
    reloads = [];
    wakes = 0;
    resets = 0;
  });

  test('status: memory and event loop, in seconds and octets; a reset gives the figures so far', () => {
    const reply = statusReplySchema.parse(control().statusReset());
    expect(reply).toMatchObject({ node: 'node1', uptimeSeconds: 90 });
    expect(reply.memory.residentOctets).toBeGreaterThan(reply.memory.heapOctets);
    expect(reply.eventLoop).toEqual({
      measuredSeconds: 2,
      busyShare: 0.25,
      p50Seconds: 0,
      p99Seconds: 0.004,
      maxSeconds: 0.0125,
      cpu: { busyShare: 0.2, p99Seconds: 0.003, maxSeconds: 0.009 },
    });
    expect(resets).toBe(1);
    control().status();
    expect(resets).toBe(1);
  });

  test('version: which program, for which node, since when', () => {
    expect(control().version()).toMatchObject({
      program: 'podrouted',
      apiVersion: 1,
      node: 'node1',
      pid: process.pid,
      uptimeSeconds: 90,
      startedAt: new Date(lab.clock.wallMs() - 90_000).toISOString(),
    });
  });

  test('peers: one row each, with counts of each family', () => {
    expect(control().peers()).toMatchObject({
      localAs: 65001,
      routerId: '10.0.0.1',
      peers: [
        {
          name: '10.0.0.2',
          address: '10.0.0.2',
          description: 'top of rack',
          state: 'Established',
          adminState: 'up',
          families: [
            { family: 'ipv4-unicast', inForce: true, received: 2, accepted: 2, advertised: 1, endOfRibReceived: true },
            { family: 'ipv6-unicast', inForce: true, received: 1, accepted: 1, advertised: 1, endOfRibReceived: true },
          ],
        },
      ],
    });
  });

  test('a peer by name or address, in the documented shape', () => {
    const detail = peerDetailSchema.parse(control().peer('10.0.0.2'));
    expect(detail).toMatchObject({
      remoteRouterId: '10.0.0.2',
      timers: { holdSeconds: 9, keepaliveSeconds: 3 },
      counters: { established: 1, resets: 0 },
      policy: { import: { mode: 'configured', names: ['in'] }, export: { mode: 'rfc8212' } },
      options: { authentication: 'none', maxPrefix: 100 },
    });
  });

  test('settings of the session that are not the default, in words', () => {
    expect(control().peer('10.0.0.2').options).not.toHaveProperty('session');
    const third = lab.speaker({ asn: 65003 });
    const session = { remoteAs: 'external', fourOctetAs: false, sendHoldSeconds: 60, extendedMessages: true } as const;
    lab.connect(node, third, { session });
    lab.run(10);
    const detail = control().peer(third.name);
    expect(detail).toMatchObject({ state: 'Established', remoteAs: 65003 });
    expect(detail.options.session).toEqual([
      'AS number external, told by the OPEN',
      'send hold 60 s',
      'extended messages',
      'two-octet AS numbers',
    ]);
  });

  test('what is in force beyond the families: roles and IPv6 next hops, where both sides offered them', () => {
    expect(control().peer('10.0.0.2').capabilities.inForce).not.toHaveProperty('role');
    const third = lab.speaker({ asn: 65003 });
    const session = { extendedNextHop: true } as const;
    lab.connect(
      node,
      third,
      { session: { ...session, role: Role.Provider } },
      { session: { ...session, role: Role.Customer } },
    );
    lab.run(15);
    const { inForce } = peerDetailSchema.parse(control().peer(third.name)).capabilities;
    expect(inForce).toMatchObject({ role: 'Provider', extendedNextHop: ['ipv4-unicast'] });
  });

  test.each<[string, (it: Control) => unknown]>([
    ['peer', (it) => it.peer('nobody')],
    ['clear', (it) => it.clear('nobody', { soft: false })],
    ['shutdown', (it) => it.shutdown('nobody', {})],
    ['drain', (it) => it.drain({ peer: 'nobody', end: false })],
    ['enable', (it) => it.enable('nobody')],
    ['routes', (it) => it.routes({ view: 'received', peer: 'nobody' })],
  ])('%s of a peer that is not there names those that are', (_, call) => {
    expect(() => call(control())).toThrow(ControlError);
    expect(() => call(control())).toThrow("no peer 'nobody'; known: 10.0.0.2");
  });

  describe('routes', () => {
    const texts = (found: readonly Route[]) => found.map(({ prefix }) => prefix).sort();

    test('the Loc-RIB, whole, by family, by prefix, by longest match, or all inside', async () => {
      const own = ['10.1.0.0/16', '10.2.0.0/16', '10.2.3.0/24', '2001:db8:1::/48', '2001:db8:2::/48'];
      expect(texts(await routes())).toEqual(own);
      expect(texts(await routes({ family: 'ipv6-unicast' }))).toEqual(own.slice(3));
      expect(texts(await routes({ prefix: '10.2.0.0/16' }))).toEqual(['10.2.0.0/16']);
      expect(texts(await routes({ prefix: '10.2.3.4' }))).toEqual(['10.2.3.0/24']);
      expect(texts(await routes({ prefix: '10.2.9.9' }))).toEqual(['10.2.0.0/16']);
      expect(texts(await routes({ prefix: '10.2.0.0/16', longer: true }))).toEqual(['10.2.0.0/16', '10.2.3.0/24']);
      expect(await routes({ prefix: '192.0.2.1' })).toEqual([]);
    });

    test('a path with its attributes and where it comes from', async () => {
      const [route] = await routes({ prefix: '10.2.3.0/24' });
      expect(route).toMatchObject({
        source: 'peer',
        peer: '10.0.0.2',
        kind: 'ebgp',
        valid: true,
        best: true,
        attributes: { origin: 'IGP', asPath: '65002', asPathLength: 1, nextHop: '10.0.0.2', med: 5 },
        policy: { direction: 'import', verdict: 'accept' },
      });
      const [own] = await routes({ prefix: '10.1.0.0/16' });
      expect(own).toMatchObject({ source: 'network', kind: 'local', valid: true, best: true });
      expect(own).not.toHaveProperty('peer');
    });

    test('what a peer sent and was sent', async () => {
      expect(texts(await routes({ view: 'received', peer: '10.0.0.2' }))).toEqual([
        '10.2.0.0/16',
        '10.2.3.0/24',
        '2001:db8:2::/48',
      ]);
      const advertised = await routes({ view: 'advertised', peer: '10.0.0.2' });
      expect(texts(advertised)).toEqual(['10.1.0.0/16', '2001:db8:1::/48']);
      expect(advertised[0]).toMatchObject({
        attributes: { asPath: '65001', nextHop: '10.0.0.1' },
        policy: { direction: 'export', verdict: 'accept' },
      });
    });

    test('what policy rejected is there, with the term that did', async () => {
      const third = lab.speaker({ asn: 65003 });
      third.originate('10.3.0.0/16');
      lab.connect(node, third, { rib: { importPolicy: rejectAll } });
      lab.run(15);
      const [route] = await routes({ view: 'received', peer: third.name });
      expect(route).toMatchObject({
        prefix: '10.3.0.0/16',
        valid: false,
        reason: 'rejected by import policy',
        policy: { direction: 'import', verdict: 'reject', term: 'reject all (RFC 8212: no policy)' },
      });
    });
  });

  describe('actions', () => {
    test('clear ends the session and it comes back', () => {
      expect(control().clear('10.0.0.2', { soft: false })).toMatchObject({ peer: '10.0.0.2', adminState: 'up' });
      expect(wakes).toBe(1);
      lab.run(15);
      expect(control().peer('10.0.0.2')).toMatchObject({
        state: 'Established',
        counters: { established: 2, resets: 1 },
      });
      expect(tor.speaker.find(node.name)?.lastReset?.text).toContain('Administrative Reset');
    });

    test('clear --soft keeps the session and asks for the routes again', () => {
      control().clear('10.0.0.2', { soft: true });
      lab.run(1);
      expect(control().peer('10.0.0.2').counters).toMatchObject({
        established: 1,
        resets: 0,
        // Per family a request, begin and end of what we send again; begin and end of the answer.
        routeRefresh: { sent: 6, received: 4 },
      });
      expect(node.best().size).toBe(5);
    });

    test('shutdown tells the reason and holds until enable', () => {
      expect(control().shutdown('10.0.0.2', { message: 'new cable' })).toMatchObject({ adminState: 'down' });
      lab.run(60);
      expect(control().peer('10.0.0.2')).toMatchObject({ state: 'Idle', adminState: 'down', adminText: 'new cable' });
      expect(tor.speaker.find(node.name)?.lastReset?.text).toContain('"new cable"');
      expect(() => control().clear('10.0.0.2', { soft: false })).toThrow('enable it first');
      expect(control().enable('10.0.0.2')).toMatchObject({ adminState: 'up', done: 'enabled' });
      lab.run(15);
      expect(control().peer('10.0.0.2').state).toBe('Established');
      expect(control().enable('10.0.0.2').done).toBe('was not shut down');
    });

    test('drain: every path says so, and it is shown and taken back', () => {
      const toldWith = (community: string) =>
        [...tor.rib.received(tor.speaker.find(node.name)!.handle, {})].filter((view) =>
          view.attributes.communities?.map(formatCommunity).includes(community),
        ).length;
      const all = [...tor.rib.received(tor.speaker.find(node.name)!.handle, {})].length;
      expect(all).toBeGreaterThan(0);
      expect(control().drain({ peer: '10.0.0.2', end: false }).peers).toHaveLength(1);
      lab.run(1);
      expect(toldWith('graceful-shutdown')).toBe(all);
      expect(control().peer('10.0.0.2').options.attributes).toEqual(['draining (GRACEFUL_SHUTDOWN)']);
      expect(control().drain({ peer: '10.0.0.2', end: true }).peers).toEqual([]);
      lab.run(1);
      expect(toldWith('graceful-shutdown')).toBe(0);
      // The whole node, and a session that comes up meanwhile.
      expect(control().drain({ end: false }).peers).toHaveLength(1);
      control().clear('10.0.0.2', { soft: false });
      lab.run(30);
      expect(toldWith('graceful-shutdown')).toBe(all);
      expect(control().drain({ peer: '10.0.0.2', end: true }).done).toContain('or with the node');
      expect(control().drain({ end: true }).peers).toEqual([]);
    });

    test('the last error is shown until a session is up again', () => {
      tor.speaker.removePeer(node.name);
      lab.run(1);
      expect(control().peer('10.0.0.2').lastError).toMatch(/^received Cease\/Peer De-configured|connect/);
      expect(control().peer('10.0.0.2').lastReset).toMatchObject({ by: 'remote' });
    });

    test('reload is handed on, dry or not', async () => {
      expect(await control().reload({ dryRun: true })).toMatchObject({ applied: false });
      expect(await control().reload({ dryRun: false })).toMatchObject({ applied: true });
      expect(reloads).toEqual([true, false]);
    });
  });

  describe('the kernel', () => {
    const hop = { gateway: ip('10.0.0.2'), ifIndex: 2 };

    beforeEach(() => {
      kernel.routes = [
        { prefix: prefix('10.2.0.0/16'), metric: 1024, kind: 'unicast', nextHops: [hop], state: 'installed' },
        {
          prefix: prefix('10.2.3.0/24'),
          metric: 1024,
          kind: 'unicast',
          nextHops: [{ ifIndex: 9 }],
          state: 'failed',
          error: { text: 'ENETUNREACH' },
        },
        { prefix: prefix('10.2.3.0/24'), metric: 4096, kind: 'unreachable', nextHops: [], state: 'installed' },
        { prefix: prefix('2001:db8:2::/48'), metric: 1024, kind: 'unicast', nextHops: [], state: 'orphan' },
      ];
    });

    test('routes as they are wanted and as they stand', async () => {
      const listing = control().fib({});
      expect(listing.begin).toEqual({ enabled: true, table: 254, protocol: 177, metric: 1024 });
      const found = (await collect(listing as Listing<never, object>)).map((route) => fibRouteSchema.parse(route));
      expect(found[0]).toEqual({
        prefix: '10.2.0.0/16',
        family: 'ipv4-unicast',
        kind: 'unicast',
        origin: 'bgp',
        nextHops: [{ gateway: '10.0.0.2', device: 'eth0' }],
        table: 254,
        metric: 1024,
        protocol: 177,
        state: 'installed',
      });
      expect(found[1]).toMatchObject({ nextHops: [{ device: '#9' }], state: 'failed', error: 'ENETUNREACH' });
      expect(found[2]).toMatchObject({ origin: 'discard', kind: 'unreachable' });
      expect(found).toHaveLength(4);
    });

    test.each<[string, object, number]>([
      ['one family', { family: 'ipv6-unicast' }, 1],
      ['a prefix', { prefix: '10.2.0.0/16' }, 1],
      ['an address: its longest match, whatever the metric', { prefix: '10.2.3.4' }, 2],
      ['an address that nothing covers', { prefix: '192.0.2.1' }, 0],
    ])('%s', async (_, query, count) => {
      expect(await collect(control().fib(query) as Listing<never, object>)).toHaveLength(count);
    });

    test('the check counts what is wanted, and says what is wrong in words', async () => {
      expect(await control().fibCheck()).toEqual({ checked: 3, differences: [] });
      kernel.differences = [
        { type: 'missing', prefix: prefix('10.2.0.0/16'), metric: 1024, wanted: { kind: 'unicast', nextHops: [hop] } },
        {
          type: 'unexpected',
          prefix: prefix('2001:db8:2::/48'),
          metric: 1024,
          found: { kind: 'unicast', nextHops: [] },
        },
      ];
      const reply = fibCheckReplySchema.parse(await control().fibCheck());
      expect(reply.differences).toEqual([
        { prefix: '10.2.0.0/16', family: 'ipv4-unicast', problem: 'missing', wanted: 'unicast via 10.0.0.2 dev eth0' },
        { prefix: '2001:db8:2::/48', family: 'ipv6-unicast', problem: 'extra', found: 'unicast' },
      ]);
    });

    test('a speaker that writes no kernel routes says so', async () => {
      const listing = control('none').fib({});
      expect(listing.begin.enabled).toBe(false);
      expect(await collect(listing as Listing<never, object>)).toEqual([]);
      await expect(control('none').fibCheck()).rejects.toMatchObject({ code: 'refused' });
    });
  });
});
