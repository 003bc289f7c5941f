import { cease, encodeKeepalive, encodeNotification, encodeOpen, encodeUpdate, ip } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { openFor } from '../../speaker/negotiate.ts';
import { peerSettings, SessionLab } from '../support/session-lab.ts';

const update = encodeUpdate({}, { fourOctetAs: true, addPathReceive: new Set(), addPathSend: new Set(), kind: 'ebgp' });
const garbage = new Uint8Array(19);

describe('garbage', () => {
  const remoteOpen = encodeOpen(openFor(peerSettings('10.0.0.1', { localAs: 65002, routerId: ip('10.0.0.2') })));
  const keepalive = encodeKeepalive();
  const refresh = Uint8Array.of(...Array(16).fill(255), 0, 23, 5, 0, 1, 0, 1);
  const badLength = Uint8Array.of(...Array(16).fill(255), 0, 18, 4);
  const badType = Uint8Array.of(...Array(16).fill(255), 0, 19, 9);
  const before: Record<string, Uint8Array[]> = {
    OpenSent: [],
    OpenConfirm: [remoteOpen],
    Established: [remoteOpen, keepalive],
  };
  const rows = [
    { state: 'OpenSent', what: 'no marker', octets: garbage, answer: '1/1' },
    { state: 'OpenConfirm', what: 'no marker', octets: garbage, answer: '1/1' },
    { state: 'Established', what: 'no marker', octets: garbage, answer: '1/1' },
    { state: 'OpenSent', what: 'a bad length', octets: badLength, answer: '1/2: 0 18' },
    { state: 'OpenConfirm', what: 'a bad length', octets: badLength, answer: '1/2: 0 18' },
    { state: 'Established', what: 'a bad length', octets: badLength, answer: '1/2: 0 18' },
    { state: 'OpenSent', what: 'an unknown type', octets: badType, answer: '1/3: 9' },
    { state: 'OpenConfirm', what: 'an unknown type', octets: badType, answer: '1/3: 9' },
    { state: 'Established', what: 'an unknown type', octets: badType, answer: '1/3: 9' },
    { state: 'OpenSent', what: 'KEEPALIVE', octets: keepalive, answer: '5/1: 4' },
    { state: 'OpenSent', what: 'UPDATE', octets: update, answer: '5/1: 2' },
    { state: 'OpenSent', what: 'ROUTE-REFRESH', octets: refresh, answer: '5/1: 5' },
    { state: 'OpenConfirm', what: 'a second OPEN', octets: remoteOpen, answer: '5/2: 1' },
    { state: 'OpenConfirm', what: 'UPDATE', octets: update, answer: '5/2: 2' },
    { state: 'OpenConfirm', what: 'ROUTE-REFRESH', octets: refresh, answer: '5/2: 5' },
    { state: 'Established', what: 'a second OPEN', octets: remoteOpen, answer: '5/3: 1' },
  ];

  test.each(rows)('$what in $state is answered with $answer', ({ state, octets, answer }) => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2', { passive: true }));
    a.start();
    const end = lab.rawConnect('10.0.0.2', '10.0.0.1');
    lab.clock.advance(10);
    end.send(...(before[state] ?? []));
    lab.clock.advance(10);
    expect(a.snapshot().state).toBe(state);
    end.send(octets);
    lab.clock.advance(10);
    expect(end.heard.at(-1)).toBe(`NOTIFICATION ${answer}`);
    expect(end.isClosed).toBe(true);
    expect(a.snapshot()).toMatchObject({ state: 'Idle' });
    expect(left.handlers.downs).toHaveLength(state === 'Established' ? 1 : 0);
  });

  test('what follows a NOTIFICATION in the same segment is not looked at', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2', { passive: true }));
    a.start();
    const end = lab.rawConnect('10.0.0.2', '10.0.0.1');
    lab.clock.advance(10);
    end.send(remoteOpen, keepalive, new Uint8Array([...encodeNotification(cease(2)), ...update, ...garbage]));
    lab.clock.advance(10);
    expect(left.handlers.downs).toMatchObject([{ type: 'notification-received' }]);
    expect(left.handlers.updates).toEqual([]);
    expect(a.snapshot().received).toMatchObject({ notification: 1, update: 0 });
    expect(end.heard).toEqual(['OPEN', 'KEEPALIVE']);
  });

  test('octets in every state from a peer that closes at once do no harm', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2', { passive: true }));
    a.start();
    for (const state of ['OpenSent', 'OpenConfirm', 'Established']) {
      const end = lab.rawConnect('10.0.0.2', '10.0.0.1');
      lab.clock.advance(10);
      end.send(...(before[state] ?? []), update.subarray(0, 21));
      end.connection?.end();
      lab.clock.advance(10_000);
      expect(a.snapshot().state).toBe('Active');
    }
  });
});

describe('OPEN', () => {
  const good = openFor(peerSettings('10.0.0.1', { localAs: 65002, routerId: ip('10.0.0.2') }));
  const rows = [
    { name: 'wrong AS', open: { ...good, myAs: 65009, capabilities: [] }, answer: '2/2' },
    {
      name: 'wrong AS in the capability',
      open: { ...good, capabilities: [{ type: 'four-octet-as', asn: 65009 } as const] },
      answer: '2/2',
    },
    { name: 'AS_TRANS without the capability', open: { ...good, myAs: 23456, capabilities: [] }, answer: '2/2' },
    { name: 'version 3', open: { ...good, version: 3 }, answer: '2/1: 0 4' },
    { name: 'identifier 0', open: { ...good, routerId: ip('0.0.0.0') }, answer: '2/3' },
    { name: 'hold time 1', open: { ...good, holdSeconds: 1 }, answer: '2/6' },
    { name: 'hold time 2', open: { ...good, holdSeconds: 2 }, answer: '2/6' },
    {
      name: 'no family in common',
      open: { ...good, capabilities: [{ type: 'multiprotocol', afi: 25, safi: 70 } as const] },
      answer: '2/7: 1 4 0 1 0 1 1 4 0 2 0 1',
    },
  ];
  test.each(rows)('$name is refused with $answer', ({ open, answer }) => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2', { passive: true }));
    a.start();
    const end = lab.rawConnect('10.0.0.2', '10.0.0.1');
    lab.clock.advance(10);
    end.send(encodeOpen(open));
    lab.clock.advance(10);
    expect(end.heard).toEqual(['OPEN', `NOTIFICATION ${answer}`]);
    expect(end.isClosed).toBe(true);
  });

  test('two speakers with the wrong AS keep away from each other, and say why', () => {
    const lab = new SessionLab();
    const { left, a, b } = lab.pair({ remoteAs: 65099 });
    a.start();
    b.start();
    lab.clock.advance(600_000);
    expect(left.handlers.ups).toEqual([]);
    expect(a.snapshot().lastErrorSent?.message).toBe('OPEN Message Error/Bad Peer AS: AS 65002: 65099 is configured');
    expect(b.snapshot().lastErrorReceived?.message).toBe('OPEN Message Error/Bad Peer AS');
    // Ten minutes: from every 5 s to every 60 s, from two sides.
    expect(lab.network.connections.length).toBeLessThan(45);
  });

  test('a NOTIFICATION instead of an OPEN is taken note of and not answered', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2'));
    const { ends } = lab.rawListen('10.0.0.2');
    a.start();
    lab.clock.advance(10);
    ends[0]?.send(encodeNotification(cease(5)));
    lab.clock.advance(10);
    expect(ends[0]?.heard).toEqual(['OPEN']);
    expect(ends[0]?.isClosed).toBe(true);
    expect(a.snapshot().lastErrorReceived?.message).toBe('Cease/Connection Rejected');
    expect(a.snapshot().state).toBe('Active');
  });

  test('an OPEN that never comes ends the attempt after four minutes with 4/0', () => {
    const lab = new SessionLab();
    const left = lab.speaker('10.0.0.1');
    const a = left.add(peerSettings('10.0.0.2'));
    const { ends } = lab.rawListen('10.0.0.2');
    a.start();
    lab.clock.advance(239_000);
    expect(a.snapshot().state).toBe('OpenSent');
    lab.clock.advance(2000);
    expect(ends[0]?.heard).toEqual(['OPEN', 'NOTIFICATION 4/0']);
  });
});
