import { CeaseSubcode, cease, encodeKeepalive, encodeNotification, encodeOpen, ip, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { openFor, type PeerSettings } from '../../speaker/negotiate.ts';
import type { Peer } from '../../speaker/peer.ts';
import { type LabSpeaker, peerSettings, type RawEnd, SessionLab } from '../support/session-lab.ts';
import { asPathOf, endSettings, SpeakerLab, type TestSpeaker } from '../support/speaker-lab.ts';

const theirs = peerSettings('10.0.0.1', { localAs: 65002, remoteAs: 65001, routerId: ip('10.0.0.2') });

/** A speaker whose passive peer is called by a remote end that says only what it is told. */
function called(settings: Partial<PeerSettings>): { lab: SessionLab; left: LabSpeaker; a: Peer; end: RawEnd } {
  const lab = new SessionLab();
  const left = lab.speaker('10.0.0.1');
  const a = left.add(peerSettings('10.0.0.2', { passive: true, ...settings }));
  a.start();
  const end = lab.rawConnect('10.0.0.2', '10.0.0.1');
  lab.clock.advance(10);
  return { lab, left, a, end };
}

describe('a peer that is not to come up tells why (RFC 4486 §4)', () => {
  test.each([
    { name: 'shut down', adminDown: { text: 'later' }, heard: ['NOTIFICATION 6/2: 5 108 97 116 101 114'] },
    { name: 'shut down without a text', adminDown: { text: '' }, heard: ['NOTIFICATION 6/2'] },
    { name: 'its key cannot be read', adminDown: { text: '/etc/key', isPrivate: true }, heard: ['NOTIFICATION 6/5'] },
  ])('$name', ({ adminDown, heard }) => {
    const { end, a } = called({ adminDown });
    expect(end.heard).toEqual(heard);
    expect(end.isClosed).toBe(true);
    expect(a.snapshot()).toMatchObject({ state: 'Idle', adminDown: { text: adminDown.text } });
  });

  test('in idle hold after an error', () => {
    const { lab, end } = called({});
    end.send(encodeOpen({ ...openFor(theirs), holdSeconds: 1 }));
    lab.clock.advance(10);
    const again = lab.rawConnect('10.0.0.2', '10.0.0.1');
    lab.clock.advance(10);
    expect(again.heard).toEqual(['NOTIFICATION 6/5']);
    expect(again.isClosed).toBe(true);
  });

  test('a session whose key can no longer be read ends without the reason being sent', () => {
    const { lab, a, end } = called({});
    end.send(encodeOpen(openFor(theirs)), encodeKeepalive());
    lab.clock.advance(10);
    a.update({ ...a.settings, adminDown: { text: '/etc/key: gone', isPrivate: true } });
    lab.clock.advance(10);
    expect(end.heard.at(-1)).toBe('NOTIFICATION 6/5');
    expect(a.snapshot().adminDown?.text).toBe('/etc/key: gone');
  });
});

describe('a peer that refuses Optional Parameters (RFC 5492 §3)', () => {
  const refusal = encodeNotification({ code: 2, subcode: 4, data: new Uint8Array(0) });

  /** How many octets of parameters the last OPEN had. */
  function parametersOctets(end: RawEnd | undefined): number | undefined {
    return end?.messages.findLast((message) => message[18] === 1)?.[28];
  }

  test('is met without them next time, and with them after that session', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const { ends } = lab.rawListen('10.0.0.2');
    const a = left.add(peerSettings('10.0.0.2'));
    a.start();
    lab.clock.advance(100);
    expect(parametersOctets(ends[0])).toBeGreaterThan(0);
    ends[0]?.send(refusal);
    lab.clock.advance(10_000);
    expect(parametersOctets(ends[1])).toBe(0);
    ends[1]?.send(encodeOpen({ ...openFor(theirs), capabilities: [] }), encodeKeepalive());
    lab.clock.advance(10);
    expect(a.snapshot().state).toBe('Established');
    expect([...left.handlers.session.negotiated.families]).toEqual(['ipv4-unicast']);
    ends[1]?.send(encodeNotification(cease(CeaseSubcode.AdministrativeReset)));
    lab.clock.advance(10_000);
    expect(parametersOctets(ends[2])).toBeGreaterThan(0);
  });

  test('and refuses also the OPEN without: the next one has them again', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const { ends } = lab.rawListen('10.0.0.2');
    left.add(peerSettings('10.0.0.2')).start();
    for (const expected of [true, false, true]) {
      lab.clock.advance(30_000);
      expect((parametersOctets(ends.at(-1)) ?? 0) > 0).toBe(expected);
      ends.at(-1)?.send(refusal);
    }
  });
});

test('extended parameters where they are configured (RFC 9072 §2)', () => {
  const { end } = called({ extendedOpenParameters: true });
  expect(end.messages[0]?.subarray(28, 30)).toEqual(Uint8Array.of(255, 255));
});

describe('extended messages (RFC 8654)', () => {
  /** An UPDATE of 5000 octets. What it says is for others to judge. */
  const long = new Uint8Array(5000).fill(255, 0, 16);
  long.set([5000 >> 8, 5000 & 255, 2], 16);

  test.each([
    { name: 'offered by us alone: the peer may send them', ours: true, heard: ['OPEN', 'KEEPALIVE'], updates: 1 },
    {
      name: 'not offered: bad length',
      ours: false,
      heard: ['OPEN', 'KEEPALIVE', 'NOTIFICATION 1/2: 19 136'],
      updates: 0,
    },
  ])('$name', ({ ours, heard, updates }) => {
    const { lab, left, end } = called({ extendedMessages: ours });
    end.send(encodeOpen(openFor(theirs)), encodeKeepalive());
    lab.clock.advance(10);
    expect(left.handlers.session.negotiated.maxOctets).toBe(4096);
    end.send(long);
    lab.clock.advance(10);
    expect(end.heard).toEqual(heard);
    expect(left.handlers.updates).toHaveLength(updates);
  });
});

describe('a change reaches a peer without a session at once', () => {
  test('the right key', () => {
    const lab = new SessionLab();
    const { a, b, left } = lab.pair({ password: 'wrong' }, { password: 'right', passive: true });
    a.start();
    b.start();
    lab.clock.advance(300_000);
    expect(a.snapshot().state).not.toBe('Established');
    expect(a.update({ ...a.settings, password: 'right' })).toBe('kept');
    left.listener.addPeer(a);
    lab.clock.advance(100);
    expect(a.snapshot().state).toBe('Established');
  });

  test('TTL security', () => {
    const lab = new SessionLab();
    const { a } = lab.pair({ port: 179 });
    const before = lab.network.connections.length;
    a.start();
    lab.clock.advance(300_000);
    const tried = lab.network.connections.length;
    expect(tried).toBeGreaterThan(before);
    a.update({ ...a.settings, ttlSecurityHops: 1 });
    lab.clock.advance(10);
    expect(lab.network.connections.length).toBe(tried + 1);
    expect(lab.network.connections.at(-1)?.options).toMatchObject({ ttl: 255, minTtl: 255 });
  });

  test('nothing that matters to an attempt: the back-off goes on', () => {
    const lab = new SessionLab();
    const { a } = lab.pair();
    a.start();
    lab.clock.advance(300_500);
    const tried = lab.network.connections.length;
    a.update({ ...a.settings, keepaliveSeconds: 5 });
    lab.clock.advance(10);
    expect(lab.network.connections.length).toBe(tried);
  });
});

describe('peers accepted by prefix', () => {
  const range = prefix('10.0.0.0/8');

  /** A hub that takes anybody in 10/8, and two spokes of different ASes that call it. */
  function star(session: Partial<PeerSettings>, password?: string, refused?: string) {
    const lab = new SpeakerLab();
    const hub = lab.speaker({ asn: 65100 });
    const spokes = [lab.speaker({ asn: 65201 }), lab.speaker({ asn: 65100 })] as [TestSpeaker, TestSpeaker];
    const setRule = (key: string | undefined, why?: string): void =>
      hub.speaker.setDynamicRules([
        {
          name: 'spokes',
          prefixes: [range],
          limit: 10,
          ...(key === undefined ? {} : { password: key }),
          ...(why === undefined ? {} : { refused: why }),
          settings: (address) => {
            const to = lab.speakers.find((one) => one.address.octets.join() === address.octets.join()) as TestSpeaker;
            const settings = endSettings(hub, to, {
              session: { passive: true, ...session, ...(key === undefined ? {} : { password: key }) },
              rib: { kind: 'ebgp', remoteAs: 0 },
            });
            const name = `spokes/${to.name}`;
            return { session: { ...settings.session, name }, rib: { ...settings.rib, name } };
          },
        },
      ]);
    setRule(password, refused);
    return { lab, hub, spokes, setRule };
  }

  test('of any AS: each is what its OPEN says, for the tables too', () => {
    const { lab, hub, spokes } = star({ remoteAs: 'auto', kind: 'ebgp' });
    const [outside, inside] = spokes;
    hub.originate('192.0.2.0/24');
    outside.originate('198.51.100.0/24');
    for (const one of spokes) one.speaker.addPeer(endSettings(one, hub));
    lab.run(30);
    const kinds = hub.speaker.peers().map(({ peer }) => `${peer.snapshot().remoteAs} ${peer.snapshot().kind}`);
    expect(kinds.sort()).toEqual(['65100 ibgp', '65201 ebgp']);
    expect(outside.table()).toContain('192.0.2.0/24 65100');
    expect(inside.table()).toEqual(['192.0.2.0/24', '198.51.100.0/24 65201']);
    expect(inside.best().get('192.0.2.0/24')?.attributes.localPref).toBe(100);
  });

  test('of any other AS: those of the own one are told 2/2', () => {
    const { lab, hub, spokes } = star({ remoteAs: 'external', kind: 'ebgp' });
    for (const one of spokes) one.speaker.addPeer(endSettings(one, hub));
    lab.run(20);
    expect(spokes.map((one) => one.stateWith(hub) === 'Established')).toEqual([true, false]);
    const heard = spokes[1].speaker.find(hub.name)?.peer.snapshot().lastErrorReceived?.message;
    expect(heard).toBe('OPEN Message Error/Bad Peer AS');
  });

  test('by one key: the wrong one is silence; a new key on both ends keeps the session', () => {
    const { lab, hub, spokes, setRule } = star({ remoteAs: 'auto', kind: 'ebgp' }, 'one');
    const [first, second] = spokes;
    first.speaker.addPeer(endSettings(first, hub, { session: { password: 'one' } }));
    second.speaker.addPeer(endSettings(second, hub, { session: { password: 'other' } }));
    lab.run(30);
    expect(spokes.map((one) => one.stateWith(hub) === 'Established')).toEqual([true, false]);
    setRule('two');
    expect(first.speaker.updatePeer(endSettings(first, hub, { session: { password: 'two' } }))).toBe('kept');
    lab.run(30);
    expect(first.stateWith(hub)).toBe('Established');
    expect(first.speaker.find(hub.name)?.peer.snapshot().established).toBe(1);
    second.speaker.updatePeer(endSettings(second, hub, { session: { password: 'two' } }));
    lab.run(1);
    expect(second.stateWith(hub)).toBe('Established');
  });

  test('whose key cannot be read: nobody comes in, and those who are in go', () => {
    const { lab, hub, spokes, setRule } = star({ remoteAs: 'auto', kind: 'ebgp' }, 'one');
    const [first, second] = spokes;
    first.speaker.addPeer(endSettings(first, hub, { session: { password: 'one' } }));
    lab.run(10);
    expect(first.stateWith(hub)).toBe('Established');
    setRule(undefined, 'TCP MD5 key cannot be read');
    second.speaker.addPeer(endSettings(second, hub));
    lab.run(10);
    expect(hub.speaker.peers()).toEqual([]);
    expect(spokes.map((one) => one.stateWith(hub))).not.toContain('Established');
    expect(hub.lines.some(({ fields }) => fields['reason'] === 'spokes: TCP MD5 key cannot be read')).toBe(true);
  });
});

describe('old and new speakers of AS numbers (RFC 6793)', () => {
  const rows = [true, false].flatMap((left) => [true, false].map((right) => ({ left, right })));
  test.each(rows)('left new: $left, right new: $right; a long path gets through whole', ({ left, right }) => {
    const lab = new SpeakerLab();
    const [origin, middle, end] = [4_200_000_001, 65_010, 65_020].map((asn) => lab.speaker({ asn })) as [
      TestSpeaker,
      TestSpeaker,
      TestSpeaker,
    ];
    origin.originate('192.0.2.0/24');
    lab.connect(origin, middle);
    lab.connect(middle, end, { session: { fourOctetAs: left } }, { session: { fourOctetAs: right } });
    lab.run(20);
    const negotiated = end.speaker.find(middle.name)?.peer.session?.negotiated;
    expect(negotiated?.fourOctetAs).toBe(left && right);
    const view = end.best().get('192.0.2.0/24');
    expect(view && asPathOf(view)).toEqual([65_010, 4_200_000_001]);
  });
});
