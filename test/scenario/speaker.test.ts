import { formatIp, ip, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { rejectAll } from '../../rib/policy/evaluate.ts';
import { asPathOf, endSettings, networkOf, SpeakerLab, type TestSpeaker } from '../support/speaker-lab.ts';

/** Each prefix that `one` has, with the number of ASes to it; its own with 0. */
function distances(one: TestSpeaker): Map<string, number> {
  return new Map([...one.best()].map(([text, view]) => [text, asPathOf(view).length]));
}

/** Follows the forwarding tables from `from` to the speaker that announces `text`. @throws Error where they lead in a circle */
function walk(lab: SpeakerLab, from: TestSpeaker, text: string): TestSpeaker | undefined {
  const seen: TestSpeaker[] = [];
  let at: TestSpeaker | undefined = from;
  while (at !== undefined) {
    if (seen.includes(at)) throw new Error(`${text}: ${[...seen, at].map(({ name }) => name).join(' -> ')}`);
    seen.push(at);
    const hop: string | undefined = at.forwarding.get(text)?.[0];
    if (hop === undefined) return at.best().has(text) ? at : undefined;
    at = lab.speakers.find(({ name }) => name === hop);
  }
  return undefined;
}

describe('speakers of an AS each', () => {
  test('a ring of 20: everybody has everything, by the shorter side of the ring', () => {
    const lab = new SpeakerLab();
    const ring = lab.speakersOfOwnAs(20);
    lab.ring(ring);
    lab.run(20);
    for (const [i, one] of ring.entries()) {
      const far = distances(one);
      expect(far.size).toBe(40);
      for (const [j, other] of ring.entries()) {
        const steps = Math.abs(i - j);
        expect(far.get(networkOf(other))).toBe(Math.min(steps, 20 - steps));
        expect(far.get(networkOf(other, 6))).toBe(Math.min(steps, 20 - steps));
        expect(walk(lab, one, networkOf(other))).toBe(other);
      }
    }
  });

  test('a ring that is cut becomes a line, and a ring again when it is healed', () => {
    const lab = new SpeakerLab();
    const ring = lab.speakersOfOwnAs(8);
    lab.ring(ring);
    lab.run(20);
    const whole = ring.map((one) => one.table());
    const [first, last] = [ring[0] as TestSpeaker, ring[7] as TestSpeaker];
    lab.cut(first, last);
    lab.run(15);
    for (const [i, one] of ring.entries()) {
      for (const [j, other] of ring.entries()) {
        expect(distances(one).get(networkOf(other))).toBe(Math.abs(i - j));
        expect(walk(lab, one, networkOf(other))).toBe(other);
      }
    }
    lab.heal(first, last);
    lab.run(30);
    expect(ring.map((one) => one.table())).toEqual(whole);
  });

  test('an AS that is gone is gone everywhere: nobody counts up to it through the others', () => {
    const lab = new SpeakerLab();
    const mesh = lab.speakersOfOwnAs(6);
    lab.mesh(mesh);
    lab.run(15);
    const lost = mesh[5] as TestSpeaker;
    let longest = 0;
    for (const one of mesh) for (const steps of distances(one).values()) longest = Math.max(longest, steps);
    expect(longest).toBe(1);
    for (const other of mesh) if (other !== lost) lab.break(lost, other);
    // In a mesh of 5 the longest way around without passing anybody twice has 5 ASes and the one that is gone.
    for (let step = 0; step < 40; step++) {
      lab.run(0.002);
      for (const one of mesh) {
        for (const view of one.best().values()) {
          const path = asPathOf(view);
          expect(new Set(path).size).toBe(path.length);
          expect(path).not.toContain(one.asn);
        }
      }
    }
    lab.run(2);
    for (const one of mesh.slice(0, 5)) {
      expect([...one.best().keys()]).not.toContain(networkOf(lost));
      expect([...one.forwarding.keys()]).not.toContain(networkOf(lost, 6));
      expect(one.best().size).toBe(10);
    }
    expect(lost.table()).toEqual([networkOf(lost), networkOf(lost, 6)].sort());
  });

  test('the same prefix from two places: each takes the nearer, and the other when that one goes', () => {
    const lab = new SpeakerLab();
    const line = lab.speakersOfOwnAs(6);
    for (let i = 0; i < 5; i++) lab.connect(line[i] as TestSpeaker, line[i + 1] as TestSpeaker);
    const anycast = '192.0.2.1/32';
    const [near, far] = [line[0] as TestSpeaker, line[5] as TestSpeaker];
    near.originate(anycast);
    far.originate(anycast);
    lab.run(15);
    expect(line.map((one) => walk(lab, one, anycast)?.name)).toEqual([
      ...Array(3).fill(near.name),
      ...Array(3).fill(far.name),
    ]);
    near.unoriginate(anycast);
    lab.run(1);
    expect(line.map((one) => walk(lab, one, anycast)?.name)).toEqual(Array(6).fill(far.name));
    near.originate(anycast);
    lab.run(1);
    expect(walk(lab, line[1] as TestSpeaker, anycast)).toBe(near);
  });

  test('two ways of the same length are used together where multipath is on', () => {
    const lab = new SpeakerLab();
    const [origin, left, right] = lab.speakersOfOwnAs(3) as [TestSpeaker, TestSpeaker, TestSpeaker];
    const sink = lab.speaker({ asn: 65009, multipath: { maxPaths: 4, relaxAsPath: true } });
    for (const middle of [left, right]) {
      lab.connect(origin, middle);
      lab.connect(middle, sink);
    }
    lab.run(15);
    expect(sink.forwarding.get(networkOf(origin))).toEqual([left.name, right.name].sort());
    lab.break(left, sink);
    lab.run(1);
    expect(sink.forwarding.get(networkOf(origin))).toEqual([right.name]);
    lab.heal(left, sink);
    lab.run(15);
    expect(sink.forwarding.get(networkOf(origin))).toHaveLength(2);
  });

  test('a policy that rejects everything in one direction leaves the other alone', () => {
    const lab = new SpeakerLab();
    const [a, b] = lab.speakersOfOwnAs(2) as [TestSpeaker, TestSpeaker];
    lab.connect(a, b, { rib: { importPolicy: rejectAll } });
    lab.run(15);
    expect([...a.best().keys()]).toEqual([networkOf(a), networkOf(a, 6)]);
    expect(b.best().size).toBe(4);
    a.speaker.updatePeer(endSettings(a, b));
    lab.run(1);
    expect(a.best().size).toBe(4);
    a.speaker.updatePeer(endSettings(a, b, { rib: { exportPolicy: rejectAll } }));
    lab.run(1);
    expect([...b.best().keys()]).toEqual([networkOf(b), networkOf(b, 6)]);
    expect(a.stateWith(b)).toBe('Established');
    expect(a.speaker.find(b.name)?.resets).toBe(0);
  });

  test('an End-of-RIB alone is noticed: whoever waits for the last of them gets a turn', () => {
    const lab = new SpeakerLab();
    const [a, b] = [lab.speaker({ asn: 65001 }), lab.speaker({ asn: 65002 })];
    let isTold = false;
    a.onTurn = () => {
      const updateIn = a.speaker.find(b.name)?.updateIn;
      isTold = (['ipv4-unicast', 'ipv6-unicast'] as const).every((family) => updateIn?.endOfRibReceived(family));
    };
    lab.connect(a, b);
    lab.run(5);
    expect(a.stateWith(b)).toBe('Established');
    expect(isTold).toBe(true);
  });

  test('a prefix limit ends the session, and after its time the peer may try again', () => {
    const lab = new SpeakerLab();
    const [a, b] = lab.speakersOfOwnAs(2) as [TestSpeaker, TestSpeaker];
    const limit = { rib: { prefixLimit: { 'ipv4-unicast': { limit: 2 } } }, prefixLimitRestartSeconds: 60 } as const;
    lab.connect(a, b, limit);
    lab.run(15);
    expect(a.stateWith(b)).toBe('Established');
    b.originate('10.101.0.0/16');
    b.originate('10.102.0.0/16');
    lab.run(1);
    expect(a.stateWith(b)).toBe('Idle');
    expect(a.best().size).toBe(2);
    expect(b.speaker.find(a.name)?.lastReset).toMatchObject({
      by: 'remote',
      text: expect.stringContaining('Maximum Number of Prefixes Reached'),
    });
    lab.run(50);
    expect(a.stateWith(b)).toBe('Idle');
    b.unoriginate('10.101.0.0/16');
    lab.run(60);
    expect(a.stateWith(b)).toBe('Established');
    expect(a.best().size).toBe(5);
  });

  test.each([
    { action: 'warn' as const, states: ['Established', 'Established'] },
    { action: 'restart' as const, states: ['Idle', 'Established'] },
    { action: 'shutdown' as const, states: ['Idle', 'Idle'] },
  ])('more to tell than the export limit: $action', ({ action, states }) => {
    const lab = new SpeakerLab();
    const [one, other] = [lab.speaker({ asn: 65001 }), lab.speaker({ asn: 65002 })] as [TestSpeaker, TestSpeaker];
    lab.connect(one, other, { exportLimit: { count: 2, action, restartSeconds: 60 } });
    for (const n of [1, 2]) one.originate(`192.0.${n}.0/24`);
    lab.run(10);
    expect(one.stateWith(other)).toBe('Established');
    one.originate('192.0.3.0/24');
    lab.run(5);
    expect(one.stateWith(other)).toBe(states[0]);
    expect(one.lines.filter(({ event }) => event === 'export limit').map(({ fields }) => fields['advertised'])).toEqual(
      [3],
    );
    if (action !== 'warn') {
      expect(other.speaker.find(one.name)?.peer.snapshot().lastErrorReceived?.message).toBe(
        'Cease/Administrative Shutdown: "more than 2 ipv4-unicast prefixes to send"',
      );
    }
    one.unoriginate('192.0.3.0/24');
    lab.run(80);
    expect(one.stateWith(other)).toBe(states[1]);
  });

  test('a shutdown outlives the restart after a prefix limit', () => {
    const lab = new SpeakerLab();
    const [a, b] = lab.speakersOfOwnAs(2) as [TestSpeaker, TestSpeaker];
    const limit = { rib: { prefixLimit: { 'ipv6-unicast': { limit: 1 } } }, prefixLimitRestartSeconds: 10 } as const;
    lab.connect(a, b, limit);
    b.originate('2001:db8:1000::/48');
    lab.run(5);
    expect(a.stateWith(b)).toBe('Idle');
    const entry = a.speaker.find(b.name);
    if (entry === undefined) throw new Error('no such peer');
    a.speaker.shutdown(entry, 'maintenance');
    b.unoriginate('2001:db8:1000::/48');
    lab.run(60);
    expect(entry.peer.snapshot().adminDown).toEqual({ text: 'maintenance' });
    a.speaker.enable(entry);
    lab.run(15);
    expect(a.stateWith(b)).toBe('Established');
  });

  test('a peer that is removed and added again leaves nothing behind', () => {
    const lab = new SpeakerLab();
    const [a, b] = lab.speakersOfOwnAs(2) as [TestSpeaker, TestSpeaker];
    lab.connect(a, b);
    lab.run(15);
    a.speaker.removePeer(b.name);
    lab.run(1);
    expect(a.best().size).toBe(2);
    expect(b.best().size).toBe(2);
    expect(b.speaker.find(a.name)?.lastReset?.text).toContain('Peer De-configured');
    a.speaker.addPeer(endSettings(a, b));
    lab.run(60);
    expect(a.table()).toEqual(
      b
        .table()
        .map((line) => flip(line, a, b))
        .sort(),
    );
  });

  /** A line of b's table as a has it: the other one's routes are one AS away. */
  function flip(line: string, a: TestSpeaker, b: TestSpeaker): string {
    const [text = '', path] = line.split(' ');
    return path === undefined ? `${text} ${b.asn}` : path === String(a.asn) ? text : line;
  }

  test('peers that are accepted by their prefix come, stay as long as their session, and are forgotten', () => {
    const lab = new SpeakerLab();
    const hub = lab.speaker({ asn: 65100 });
    const spokes = [1, 2, 3].map(() => lab.speaker({ asn: 65200 }));
    hub.originate('192.0.2.0/24');
    hub.speaker.setDynamicRules([
      {
        name: 'spokes',
        prefixes: [prefix('10.0.0.0/8')],
        limit: 2,
        settings: (address) => {
          const to = lab.speakers.find(({ name }) => name === formatIp(address)) as TestSpeaker;
          const settings = endSettings(hub, to, { session: { passive: true } });
          const name = `spokes/${to.name}`;
          return { session: { ...settings.session, name }, rib: { ...settings.rib, name } };
        },
      },
    ]);
    const names = () => hub.speaker.peers().map(({ peer }) => peer.name);
    const [first, second, third] = spokes as [TestSpeaker, TestSpeaker, TestSpeaker];
    for (const one of [first, second]) one.speaker.addPeer(endSettings(one, hub));
    lab.run(5);
    third.speaker.addPeer(endSettings(third, hub));
    lab.run(30);
    expect(names()).toEqual([`spokes/${first.name}`, `spokes/${second.name}`]);
    expect(spokes.map((one) => one.stateWith(hub) === 'Established')).toEqual([true, true, false]);
    expect(first.best().has('192.0.2.0/24')).toBe(true);
    expect(hub.lines.some(({ fields }) => String(fields['reason']).includes('the limit of 2 peers'))).toBe(true);

    first.speaker.removePeer(hub.name);
    lab.run(30);
    expect(names()).toContain(`spokes/${first.name}`);
    lab.run(60);
    expect(names()).toEqual([`spokes/${second.name}`, `spokes/${third.name}`]);
    expect(third.stateWith(hub)).toBe('Established');
    hub.speaker.setDynamicRules([]);
    lab.run(1);
    expect(names()).toEqual([]);
    expect(second.best().size).toBe(0);
  });

  test('an own address that came after the peer was configured is named from the next session on', () => {
    const lab = new SpeakerLab();
    const [one, other] = lab.speakersOfOwnAs(2) as [TestSpeaker, TestSpeaker];
    const nextHop = (address: string) => ({ rib: { nextHopSelf: { ipv6: ip(address) } } });
    lab.connect(one, other, nextHop('2001:db8::a'));
    lab.run(20);
    expect(other.forwarding.get(networkOf(one, 6))).toEqual(['2001:db8::a']);
    one.ribSettings.set(other.name, endSettings(one, other, nextHop('2001:db8::b')).rib);
    one.speaker.find(other.name)?.peer.clear();
    lab.run(20);
    expect(other.forwarding.get(networkOf(one, 6))).toEqual(['2001:db8::b']);
  });
});

describe('one AS', () => {
  const asn = 64512;

  /** Speakers of one AS, each with its network. */
  function speakers(lab: SpeakerLab, count: number, clusterId?: string): TestSpeaker[] {
    return Array.from({ length: count }, () => {
      const one = lab.speaker({ asn, ...(clusterId === undefined ? {} : { clusterId }) });
      one.originate(networkOf(one));
      return one;
    });
  }

  test('a mesh of 12: everybody hears of everybody, with the next hop of the origin', () => {
    const lab = new SpeakerLab();
    const mesh = speakers(lab, 12);
    lab.mesh(mesh);
    lab.run(20);
    for (const one of mesh) {
      expect(one.best().size).toBe(12);
      for (const other of mesh) {
        if (other !== one) expect(one.forwarding.get(networkOf(other))).toEqual([other.name]);
      }
    }
  });

  test('without reflectors nothing is passed on inside the AS', () => {
    const lab = new SpeakerLab();
    const [a, b, c] = speakers(lab, 3) as [TestSpeaker, TestSpeaker, TestSpeaker];
    lab.connect(a, b);
    lab.connect(b, c);
    lab.run(20);
    expect([...b.best().keys()].sort()).toEqual([networkOf(a), networkOf(b), networkOf(c)]);
    expect([...a.best().keys()].sort()).toEqual([networkOf(a), networkOf(b)]);
    expect([...c.best().keys()].sort()).toEqual([networkOf(b), networkOf(c)]);
  });

  test('two reflectors and 18 clients: next hops stay, one reflector is enough', () => {
    const lab = new SpeakerLab();
    const reflectors = [1, 2].map((n) => lab.speaker({ asn, clusterId: `1.1.1.${n}` }));
    const clients = speakers(lab, 18);
    for (const reflector of reflectors) {
      for (const client of clients) lab.connect(reflector, client, { rib: { routeReflectorClient: true } });
    }
    lab.mesh(reflectors);
    lab.run(25);
    const expectAll = (): void => {
      for (const one of clients) {
        expect(one.best().size).toBe(18);
        for (const other of clients) {
          if (other !== one) expect(one.forwarding.get(networkOf(other))).toEqual([other.name]);
        }
      }
    };
    expectAll();
    const [first, second] = reflectors as [TestSpeaker, TestSpeaker];
    const [one, other] = clients as [TestSpeaker, TestSpeaker];
    const view = one.best().get(networkOf(other));
    expect(view?.attributes.originatorId).toEqual(other.address);
    expect(view?.attributes.clusterList).toHaveLength(1);
    first.die();
    lab.run(12);
    expectAll();
    expect(one.best().get(networkOf(other))?.peer?.name).toBe(second.name);
    second.die();
    lab.run(12);
    for (const client of clients) expect([...client.best().keys()]).toEqual([networkOf(client)]);
  });

  test('reflectors in a row pass on what clients say, and a loop of them ends', () => {
    const lab = new SpeakerLab();
    const reflectors = [1, 2, 3, 4].map((n) => lab.speaker({ asn, clusterId: `1.1.1.${n}` }));
    const [client] = speakers(lab, 1) as [TestSpeaker];
    const both = { rib: { routeReflectorClient: true } };
    for (let i = 0; i < 4; i++) {
      lab.connect(reflectors[i] as TestSpeaker, reflectors[(i + 1) % 4] as TestSpeaker, both, both);
    }
    lab.connect(reflectors[0] as TestSpeaker, client, both);
    lab.run(20);
    const lengths = reflectors.map((one) => one.best().get(networkOf(client))?.attributes.clusterList?.length ?? 0);
    expect(lengths).toEqual([0, 1, 2, 1]);
    client.unoriginate(networkOf(client));
    lab.run(2);
    for (const one of reflectors) expect(one.best().size).toBe(0);
    expect(client.best().size).toBe(0);
  });

  test('what comes from outside goes to the whole AS, with the next hop of the border unless it is asked to name itself', () => {
    const lab = new SpeakerLab();
    const outside = lab.speaker({ asn: 65000 });
    outside.originate('198.51.100.0/24', { med: 30 });
    const [border, inner, last] = speakers(lab, 3) as [TestSpeaker, TestSpeaker, TestSpeaker];
    lab.connect(outside, border);
    lab.connect(border, inner);
    lab.connect(border, last, { rib: { nextHop: 'self' } });
    lab.connect(inner, last);
    lab.run(20);
    expect(inner.forwarding.get('198.51.100.0/24')).toEqual([outside.name]);
    expect(last.forwarding.get('198.51.100.0/24')).toEqual([border.name]);
    expect(inner.best().get('198.51.100.0/24')?.attributes).toMatchObject({ med: 30, localPref: 100 });
    expect(outside.best().size).toBe(4);
    expect(asPathOf(outside.best().get(networkOf(last)) as never)).toEqual([asn]);
  });
});
