import { cease, encodeKeepalive, encodeOpen, encodeUpdate, ip, notification } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { openFor } from '../../speaker/negotiate.ts';
import { peerSettings, SessionLab } from '../support/session-lab.ts';

const update = encodeUpdate({}, { fourOctetAs: true, addPathReceive: new Set(), addPathSend: new Set(), kind: 'ebgp' });

describe('two speakers', () => {
  test('establish one session from both sides, with both families', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(100);
    expect([a.snapshot().state, b.snapshot().state]).toEqual(['Established', 'Established']);
    expect(left.handlers.ups).toHaveLength(1);
    expect(right.handlers.ups).toHaveLength(1);
    expect(lab.network.open).toHaveLength(1);
    expect([...left.handlers.session.negotiated.families]).toEqual(['ipv4-unicast', 'ipv6-unicast']);
    expect(a.snapshot().connections).toBe(1);
  });

  test('one starts long before the other', () => {
    const lab = new SessionLab();
    const { a, b } = lab.pair();
    a.start();
    lab.clock.advance(60_000);
    expect(a.snapshot().state).not.toBe('Established');
    b.start();
    lab.clock.advance(100);
    expect(a.snapshot().state).toBe('Established');
    expect(b.snapshot().state).toBe('Established');
  });

  test('keep the session with keepalives, and count them', () => {
    const lab = new SessionLab();
    const { left, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(600_000);
    expect(a.snapshot().state).toBe('Established');
    expect(left.handlers.downs).toEqual([]);
    const { sent, received } = a.snapshot();
    // A third of 90 s, less up to a quarter: with the fake clock's 0.5 every 26.25 s.
    expect(sent.keepalive).toBeGreaterThanOrEqual(22);
    expect(sent.keepalive).toBeLessThanOrEqual(26);
    expect(received.keepalive).toBe(b.snapshot().sent.keepalive);
    // The connection that gave way had seen an OPEN as well.
    expect(sent.open).toBeGreaterThanOrEqual(1);
  });

  test('with a hold time of 0 on one side send no keepalives and never expire', () => {
    const lab = new SessionLab();
    const { a, b } = lab.pair({ holdSeconds: 0 });
    a.start();
    b.start();
    lab.clock.advance(100);
    const before = b.snapshot().sent.keepalive;
    lab.clock.advance(3_600_000);
    expect(b.snapshot().state).toBe('Established');
    expect(b.snapshot().sent.keepalive).toBe(before);
    expect(b.snapshot().holdRemainingMs).toBeUndefined();
  });

  test('take the smaller hold time and a third of it', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair({ holdSeconds: 9 }, { holdSeconds: 180 });
    a.start();
    b.start();
    lab.clock.advance(100);
    for (const { handlers } of [left, right]) {
      expect(handlers.session.negotiated).toMatchObject({ holdSeconds: 9, keepaliveSeconds: 3 });
    }
  });

  test('exchange UPDATEs and ROUTE-REFRESH, cut into pieces of 7 octets', () => {
    const lab = new SessionLab({ maxSegment: 7 });
    const { left, right, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(200);
    const twoUpdates = new Uint8Array([...update, ...update]);
    expect(left.handlers.session.send(twoUpdates, 2)).toBe(true);
    expect(left.handlers.session.requestRefresh('ipv6-unicast')).toBe(true);
    lab.clock.advance(200);
    expect(right.handlers.updates).toEqual([update.slice(19), update.slice(19)]);
    expect(right.handlers.refreshes).toEqual([{ family: 'ipv6-unicast', subtype: 0 }]);
    expect(b.snapshot().received).toMatchObject({ update: 2, routeRefresh: 1 });
    expect(a.snapshot().sent).toMatchObject({ update: 2, routeRefresh: 1 });
  });

  test('do not ask for a family that was not negotiated', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair({}, { families: ['ipv4-unicast'] });
    a.start();
    b.start();
    lab.clock.advance(100);
    expect([...right.handlers.session.negotiated.families]).toEqual(['ipv4-unicast']);
    expect(left.handlers.session.requestRefresh('ipv6-unicast')).toBe(false);
    expect(left.handlers.session.requestRefresh('ipv4-unicast')).toBe(true);
  });

  test('50 peers of one speaker all come up, and all go down at once', () => {
    const lab = new SessionLab();
    const hub = lab.speaker('10.0.0.1');
    const hubPeers = [];
    const spokes = [];
    for (let n = 2; n < 52; n++) {
      hubPeers.push(hub.add(peerSettings(`10.0.0.${n}`, { remoteAs: 65000 + n })));
      const spoke = lab.speaker(`10.0.0.${n}`);
      const settings = { localAs: 65000 + n, remoteAs: 65001, routerId: ip(`10.0.0.${n}`) };
      spokes.push(spoke.add(peerSettings('10.0.0.1', settings)));
    }
    for (const peer of [...hubPeers, ...spokes]) peer.start();
    lab.clock.advance(1000);
    expect(hubPeers.map((peer) => peer.snapshot().state)).toEqual(Array(50).fill('Established'));
    expect(spokes.map((peer) => peer.snapshot().state)).toEqual(Array(50).fill('Established'));
    expect(lab.network.open).toHaveLength(50);
    for (const peer of hubPeers) peer.close();
    lab.clock.advance(100);
    expect(hub.handlers.downs).toHaveLength(50);
    expect(lab.network.open).toHaveLength(0);
    for (const peer of spokes) peer.close();
    lab.clock.advance(5000);
    expect(lab.clock.pendingCount).toBe(0);
  });
});

describe('collision', () => {
  const rows = [
    { name: 'the remote has the larger identifier', local: '10.0.0.1', remote: '10.0.0.2', keeper: '10.0.0.2' },
    { name: 'we have the larger identifier', local: '10.0.0.9', remote: '10.0.0.2', keeper: '10.0.0.1' },
    // Unsigned: 200 is above 100 although its first bit is set.
    { name: 'identifiers compare as unsigned', local: '200.0.0.1', remote: '100.0.0.1', keeper: '10.0.0.1' },
    // RFC 6286: the larger AS number, here 65002, keeps its connection.
    { name: 'equal identifiers: the larger AS', local: '10.0.0.2', remote: '10.0.0.2', keeper: '10.0.0.2' },
  ];
  test.each(rows)('$name: its connection survives', ({ local, remote, keeper }) => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair({ routerId: ip(local) }, { routerId: ip(remote) });
    a.start();
    b.start();
    lab.clock.advance(500);
    expect(lab.network.connections).toHaveLength(2);
    expect(lab.network.open.map((connection) => connection.localAddress)).toEqual([ip(keeper)]);
    expect([a.snapshot().state, b.snapshot().state]).toEqual(['Established', 'Established']);
    expect(left.handlers.downs.length + right.handlers.downs.length).toBe(0);
    const losses = [...left.lines, ...right.lines].filter(({ event }) => event === 'notification sent');
    expect(losses.some(({ fields }) => String(fields['notification']).startsWith('Cease/Connection Collision'))).toBe(
      true,
    );
  });

  test('a new connection to an established session is closed with 6/7, the session goes on', () => {
    const lab = new SessionLab();
    const { left, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(100);
    const intruder = lab.rawConnect('10.0.0.2', '10.0.0.1');
    lab.clock.advance(10);
    expect(a.snapshot().connections).toBe(2);
    intruder.send(encodeOpen(openFor(b.settings)));
    lab.clock.advance(10);
    expect(intruder.heard).toEqual(['OPEN', 'NOTIFICATION 6/7']);
    expect(intruder.isClosed).toBe(true);
    expect(a.snapshot()).toMatchObject({ state: 'Established', connections: 1 });
    expect(left.handlers.downs).toEqual([]);
  });

  test('the second of two connections that the peer opened replaces the first', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2', { passive: true }));
    a.start();
    const open = encodeOpen(openFor(peerSettings('10.0.0.1', { localAs: 65002, routerId: ip('10.0.0.2') })));
    const first = lab.rawConnect('10.0.0.2', '10.0.0.1');
    lab.clock.advance(10);
    first.send(open);
    lab.clock.advance(10);
    expect(a.snapshot().state).toBe('OpenConfirm');
    const second = lab.rawConnect('10.0.0.2', '10.0.0.1');
    lab.clock.advance(10);
    second.send(open, encodeKeepalive());
    lab.clock.advance(10);
    expect(a.snapshot()).toMatchObject({ state: 'Established', connections: 1 });
    expect(first.heard).toEqual(['OPEN', 'KEEPALIVE', 'NOTIFICATION 6/7']);
  });

  test('an established session cancels our own attempt that is still under way', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2'));
    a.start();
    lab.network.blackhole('10.0.0.1', '10.0.0.2');
    lab.clock.advance(10);
    lab.network.heal('10.0.0.1', '10.0.0.2');
    expect(a.snapshot().state).toBe('Connect');
    const end = lab.rawConnect('10.0.0.2', '10.0.0.1');
    lab.clock.advance(10);
    end.send(
      encodeOpen(openFor(peerSettings('10.0.0.1', { localAs: 65002, routerId: ip('10.0.0.2') }))),
      encodeKeepalive(),
    );
    lab.clock.advance(10);
    expect(a.snapshot()).toMatchObject({ state: 'Established', connections: 1 });
    expect(lab.network.connections.filter(({ isOpen }) => isOpen)).toEqual([end.connection]);
    lab.clock.advance(30_000);
    expect(lab.network.connections).toHaveLength(2);
    expect(a.snapshot().lastFailure).toBeUndefined();
  });
});

describe('failures', () => {
  test('hold timer: silence ends the session with 4/0, and the next one comes at once when the peer is back', () => {
    const lab = new SessionLab();
    const { left, a, b } = lab.pair({ holdSeconds: 9 });
    a.start();
    b.start();
    lab.clock.advance(100);
    lab.network.blackhole('10.0.0.1', '10.0.0.2');
    lab.clock.advance(8000);
    expect(a.snapshot().state).toBe('Established');
    lab.clock.advance(2000);
    expect(left.handlers.downs).toMatchObject([{ type: 'notification-sent', notification: { code: 4, subcode: 0 } }]);
    expect(a.snapshot().lastErrorSent?.message).toContain('Hold Timer Expired');
    lab.network.heal('10.0.0.1', '10.0.0.2');
    lab.clock.advance(15_000);
    expect(a.snapshot().state).toBe('Established');
    expect(b.snapshot().state).toBe('Established');
  });

  test('hold timer: octets that wait unread are not silence', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair({ holdSeconds: 9 });
    a.start();
    b.start();
    lab.clock.advance(100);
    left.handlers.session.pauseReading();
    right.handlers.session.send(update);
    lab.clock.advance(30_000);
    expect(a.snapshot().state).toBe('Established');
    expect(left.handlers.updates).toEqual([]);
    left.handlers.session.resumeReading();
    lab.clock.advance(100);
    expect(left.handlers.updates).toHaveLength(1);
    lab.clock.advance(30_000);
    expect(a.snapshot().state).toBe('Established');
  });

  test('connection refused: attempts get rarer up to the limit, and one line is logged', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2'));
    const attempts: number[] = [];
    a.start();
    for (let second = 0; second < 120; second++) {
      const before = lab.network.connections.length;
      lab.clock.advance(1000);
      if (lab.network.connections.length > before) attempts.push(second);
    }
    const gaps = attempts.slice(1).map((at, index) => at - (attempts[index] ?? 0));
    // 1, 2, 4, 8, 10, 10 ... less an eighth: the jitter at the fake clock's 0.5.
    expect(gaps.slice(0, 4)).toEqual([...gaps.slice(0, 4)].sort((x, y) => x - y));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10);
    expect(gaps.slice(5).every((gap) => gap >= 8)).toBe(true);
    expect(a.snapshot()).toMatchObject({ state: 'Active', lastFailure: { message: 'connect: connection refused' } });
    expect(a.snapshot().nextAttemptMs).toBeGreaterThan(0);
    expect(left.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect(left.lines.filter(({ level }) => level === 'info')).toHaveLength(0);
  });

  test('no answer: our own timeout ends the attempt', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2', { connectTimeoutSeconds: 3 }));
    lab.network.blackhole('10.0.0.1', '10.0.0.2');
    a.start();
    lab.clock.advance(2900);
    expect(a.snapshot().state).toBe('Connect');
    lab.clock.advance(200);
    expect(a.snapshot()).toMatchObject({ state: 'Active', lastFailure: { message: 'connect: no answer' } });
  });

  test('a reset connection comes back within two seconds', () => {
    const lab = new SessionLab();
    const { left, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(60_000);
    lab.network.reset('10.0.0.1', '10.0.0.2');
    lab.clock.advance(10);
    expect(left.handlers.downs).toMatchObject([{ type: 'connection-lost' }]);
    expect(a.snapshot().state).toBe('Active');
    lab.clock.advance(2000);
    expect(a.snapshot()).toMatchObject({ state: 'Established', established: 2 });
  });

  test('a peer cut off in the middle of a message, which then goes away', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair({ holdSeconds: 9 });
    a.start();
    b.start();
    lab.clock.advance(100);
    right.handlers.session.send(update.subarray(0, 20));
    lab.clock.advance(10);
    expect(left.handlers.updates).toEqual([]);
    lab.network.blackhole('10.0.0.1', '10.0.0.2');
    lab.clock.advance(10_000);
    // Half a message is not a message: it must not keep the hold timer from expiring.
    expect(left.handlers.downs).toMatchObject([{ type: 'notification-sent', notification: { code: 4 } }]);
  });

  test('an UPDATE error of the handlers ends the session with its NOTIFICATION, and both sides hold off', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair();
    left.handlers.onUpdate = () => notification(3, 1);
    a.start();
    b.start();
    lab.clock.advance(100);
    right.handlers.session.send(update);
    lab.clock.advance(10);
    expect(left.handlers.downs).toMatchObject([{ type: 'notification-sent', notification: { code: 3, subcode: 1 } }]);
    expect(right.handlers.downs).toMatchObject([
      { type: 'notification-received', message: 'UPDATE Message Error/Malformed Attribute List' },
    ]);
    expect([a.snapshot().state, b.snapshot().state]).toEqual(['Idle', 'Idle']);
    lab.clock.advance(3000);
    expect(lab.network.open).toHaveLength(0);
    lab.clock.advance(10_000);
    expect(a.snapshot().state).toBe('Established');
  });

  test('a bug in the handlers ends the one session with a Cease, and is logged with its stack', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair();
    left.handlers.onUpdate = () => {
      throw new TypeError('oops');
    };
    a.start();
    b.start();
    lab.clock.advance(100);
    right.handlers.session.send(update);
    lab.clock.advance(10);
    expect(left.handlers.downs).toMatchObject([{ type: 'notification-sent', notification: { code: 6, subcode: 0 } }]);
    expect(left.lines.find(({ level }) => level === 'error')?.fields['error']).toContain('TypeError: oops');
  });

  test('send hold timer: a peer that keeps talking but takes nothing is dropped (RFC 9687)', () => {
    const lab = new SessionLab({ windowOctets: 4096 });
    const { left, right, a, b } = lab.pair({ sendHoldSeconds: 60 }, { holdSeconds: 0 });
    a.start();
    b.start();
    lab.clock.advance(100);
    right.handlers.session.pauseReading();
    const big = new Uint8Array(4096 * 3);
    left.handlers.session.send(big);
    left.handlers.session.send(big);
    lab.clock.advance(50_000);
    expect(a.snapshot()).toMatchObject({ state: 'Established', queuedOctets: big.length });
    lab.clock.advance(30_000);
    expect(left.handlers.downs).toMatchObject([{ type: 'notification-sent', notification: { code: 8, subcode: 0 } }]);
    expect(left.handlers.downs[0]?.message).toContain('send hold timer');
    lab.clock.advance(2000);
    expect(lab.network.connections[0]?.isOpen).toBe(false);
  });

  test('back-pressure: send says stop, writable says go on', () => {
    const lab = new SessionLab({ windowOctets: 4096 });
    const { left, right, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(100);
    right.handlers.session.pauseReading();
    let sent = 0;
    while (left.handlers.session.send(update)) sent++;
    sent++;
    lab.clock.advance(1000);
    expect(left.handlers.writables).toBe(0);
    right.handlers.session.resumeReading();
    lab.clock.advance(1000);
    expect(left.handlers.writables).toBe(1);
    expect(right.handlers.updates).toHaveLength(sent);
  });

  test('a message handler that pauses reading gets the rest later, in order', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair();
    left.handlers.onUpdate = () => {
      left.handlers.session.pauseReading();
      return undefined;
    };
    a.start();
    b.start();
    lab.clock.advance(100);
    right.handlers.session.send(new Uint8Array([...update, ...update, ...update]), 3);
    lab.clock.advance(100);
    for (let n = 1; n <= 3; n++) {
      expect(left.handlers.updates).toHaveLength(n);
      left.handlers.session.resumeReading();
      lab.clock.advance(100);
    }
    expect(a.snapshot().state).toBe('Established');
  });
});

describe('administration', () => {
  test('shutdown tells its text, which the peer shows; enable brings the session back', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(100);
    a.stop('maintenance, back at 14:00');
    lab.clock.advance(10);
    expect(left.handlers.downs).toMatchObject([{ type: 'notification-sent', notification: { code: 6, subcode: 2 } }]);
    expect(right.handlers.downs[0]?.message).toBe('Cease/Administrative Shutdown: "maintenance, back at 14:00"');
    expect(b.snapshot().lastErrorReceived?.message).toContain('maintenance, back at 14:00');
    expect(a.snapshot()).toMatchObject({ state: 'Idle', adminDown: { text: 'maintenance, back at 14:00' } });
    lab.clock.advance(300_000);
    expect(a.snapshot().state).toBe('Idle');
    expect(left.handlers.ups).toHaveLength(1);
    a.enable();
    lab.clock.advance(100);
    expect(a.snapshot().state).toBe('Established');
    expect(a.snapshot().adminDown).toBeUndefined();
  });

  test('a peer configured as shut down does not start, and refuses connections', () => {
    const lab = new SessionLab();
    const { a, b } = lab.pair({ adminDown: { text: 'later' } });
    a.start();
    b.start();
    lab.clock.advance(60_000);
    expect(a.snapshot()).toMatchObject({ state: 'Idle', adminDown: { text: 'later' } });
    expect(b.snapshot().state).not.toBe('Established');
    expect(a.update(peerSettings('10.0.0.2'))).toBe('reset');
    lab.clock.advance(15_000);
    expect(a.snapshot().state).toBe('Established');
  });

  test('clear resets with 6/4 and is back at once', () => {
    const lab = new SessionLab();
    const { right, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(100);
    a.clear('new policy');
    lab.clock.advance(2000);
    expect(right.handlers.downs[0]?.message).toBe('Cease/Administrative Reset: "new policy"');
    expect([a.snapshot().state, b.snapshot().state]).toEqual(['Established', 'Established']);
  });

  test('close says 6/3 or nothing, and leaves no timer behind', () => {
    for (const how of ['deconfigured', 'silent'] as const) {
      const lab = new SessionLab();
      const { left, right, a, b } = lab.pair();
      a.start();
      b.start();
      lab.clock.advance(100);
      a.close(how);
      a.close(how);
      lab.clock.advance(10);
      expect(right.handlers.downs).toHaveLength(1);
      expect(right.handlers.downs[0]?.message).toContain(how === 'silent' ? 'closed by the peer' : 'De-configured');
      expect(left.handlers.downs[0]?.type).toBe(how === 'silent' ? 'silent' : 'notification-sent');
      b.close();
      lab.clock.advance(10_000);
      expect(lab.clock.pendingCount).toBe(0);
    }
  });

  test('settings that an OPEN carries reset the session with 6/6, others are taken over as it stands', () => {
    const lab = new SessionLab();
    const { right, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(100);
    expect(a.update(peerSettings('10.0.0.2', { connectRetrySeconds: 30, tos: 0, ttlSecurityHops: 1 }))).toBe('kept');
    expect(lab.network.open[0]?.peer?.options ?? lab.network.open[0]?.options).toBeDefined();
    expect(a.snapshot().state).toBe('Established');
    expect(a.update(peerSettings('10.0.0.2', { holdSeconds: 30 }))).toBe('reset');
    lab.clock.advance(2000);
    expect(right.handlers.downs[0]?.message).toBe('Cease/Other Configuration Change');
    expect(a.snapshot()).toMatchObject({ state: 'Established', negotiated: { holdSeconds: 30 } });
  });

  test('BFD going down ends the session with 6/10 without a long wait', () => {
    const lab = new SessionLab();
    const { right, a, b } = lab.pair();
    a.start();
    b.start();
    lab.clock.advance(100);
    a.reset(cease(10));
    lab.clock.advance(2000);
    expect(right.handlers.downs[0]?.message).toBe('Cease/BFD Down');
    expect(a.snapshot().state).toBe('Established');
  });
});

describe('connections that are not wanted', () => {
  test('a stranger is told and logged once a minute, and else closed without a word', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    for (let n = 0; n < 3; n++) {
      const stranger = lab.rawConnect('10.0.0.77', '10.0.0.1');
      lab.clock.advance(10);
      expect(stranger.heard).toEqual(n === 0 ? ['NOTIFICATION 6/5'] : []);
      expect(stranger.isClosed).toBe(true);
    }
    const lines = left.lines.filter(({ event }) => event === 'connection refused');
    expect(lines.map(({ fields }) => fields['address'])).toEqual(['10.0.0.77']);
    lab.clock.advance(60_000);
    lab.rawConnect('10.0.0.77', '10.0.0.1');
    lab.clock.advance(10);
    expect(left.lines.filter(({ event }) => event === 'connection refused')).toHaveLength(2);
  });

  test('a passive peer never connects, and takes only its own address', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2', { passive: true }));
    a.start();
    lab.clock.advance(120_000);
    expect(lab.network.connections).toHaveLength(0);
    expect(a.snapshot().state).toBe('Active');
    const other = lab.rawConnect('10.0.0.3', '10.0.0.1');
    lab.clock.advance(10);
    expect(other.isClosed).toBe(true);
    const right = lab.rawConnect('10.0.0.2', '10.0.0.1');
    lab.clock.advance(10);
    expect(right.heard).toEqual(['OPEN']);
  });

  test('a wrong or missing key is silence, the right one works; the key can be changed while the session is up', () => {
    const lab = new SessionLab();
    const { left, right, a, b } = lab.pair({ password: 'secret' }, { password: 'wrong' });
    a.start();
    b.start();
    lab.clock.advance(30_000);
    expect(a.snapshot().lastFailure?.message).toBe('connect: no answer');
    expect(b.update({ ...b.settings, password: 'secret' })).toBe('kept');
    right.listener.addPeer(b);
    lab.clock.advance(15_000);
    expect(a.snapshot().state).toBe('Established');
    expect(a.snapshot().hasPassword).toBe(true);
    expect(JSON.stringify([a.snapshot(), left.lines])).not.toContain('secret');
    expect(a.update({ ...a.settings, password: 'other' })).toBe('kept');
    expect(a.snapshot().state).toBe('Established');
  });
});
