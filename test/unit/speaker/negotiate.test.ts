import type { Capability, OpenMessage } from 'bgp-ts';
import { decodeOpen, encodeOpen, ip } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import type { PeerSettings } from '../../../speaker/negotiate.ts';
import {
  negotiate,
  offeredCapabilities,
  openFor,
  openProblem,
  withoutCapabilities,
} from '../../../speaker/negotiate.ts';
import { needsReset } from '../../../speaker/settings-change.ts';
import { tcpOptionsOf } from '../../../speaker/tcp-options.ts';
import { peerSettings } from '../../support/session-lab.ts';

const addresses = { localAddress: ip('10.0.0.1'), remoteAddress: ip('10.0.0.2') };
const v4: Capability = { type: 'multiprotocol', afi: 1, safi: 1 };
const v6: Capability = { type: 'multiprotocol', afi: 2, safi: 1 };
const as4 = (asn: number): Capability => ({ type: 'four-octet-as', asn });

function theirs(overrides: Partial<OpenMessage> = {}): OpenMessage {
  return {
    version: 4,
    myAs: 65002,
    holdSeconds: 90,
    routerId: ip('10.0.0.2'),
    capabilities: [v4, v6, { type: 'route-refresh' }, as4(65002)],
    ...overrides,
  };
}

/** The code, subcode and data of a refusal, or what was agreed on. */
function outcome(settings: PeerSettings, open: OpenMessage): string {
  const result = negotiate(settings, open, addresses);
  if (result.ok) return 'accepted';
  const { code, subcode, data } = result.error;
  return `${code}/${subcode}${data.length > 0 ? ` ${[...data].join(' ')}` : ''}`;
}

describe('the OPEN we send', () => {
  test('names families, route refresh and our AS; it survives encoding', () => {
    const open = openFor(peerSettings('10.0.0.2'));
    expect(open.capabilities).toEqual([
      v4,
      v6,
      { type: 'route-refresh' },
      { type: 'enhanced-route-refresh' },
      as4(65001),
    ]);
    expect(decodeOpen(encodeOpen(open).subarray(19))).toEqual({ ok: true, value: open });
  });

  test('has AS_TRANS in the header for an AS above 65535', () => {
    const open = openFor(peerSettings('10.0.0.2', { localAs: 4_200_000_001 }));
    expect(open.myAs).toBe(23456);
    expect(open.capabilities).toContainEqual(as4(4_200_000_001));
  });

  test.each([
    { name: 'both', send: true, receive: true, code: 3 },
    { name: 'sending', send: true, receive: false, code: 2 },
    { name: 'receiving', send: false, receive: true, code: 1 },
  ])('offers ADD-PATH: $name', ({ send, receive, code }) => {
    const settings = peerSettings('10.0.0.2', { addPath: [{ family: 'ipv6-unicast', send, receive }] });
    expect(offeredCapabilities(settings)).toContainEqual({
      type: 'add-path',
      entries: [{ afi: 2, safi: 1, sendReceive: code }],
    });
  });

  test('offers no ADD-PATH for a family that is not offered, nor when nothing is wanted', () => {
    const families = ['ipv4-unicast'] as const;
    const other = peerSettings('10.0.0.2', {
      families,
      addPath: [{ family: 'ipv6-unicast', send: true, receive: true }],
    });
    const none = peerSettings('10.0.0.2', { addPath: [{ family: 'ipv4-unicast', send: false, receive: false }] });
    for (const settings of [other, none]) {
      expect(offeredCapabilities(settings).map(({ type }) => type)).not.toContain('add-path');
    }
  });
});

describe('the OPEN we receive', () => {
  const ebgp = peerSettings('10.0.0.2');
  const ibgp = peerSettings('10.0.0.2', { kind: 'ibgp', remoteAs: 65001 });
  const big = peerSettings('10.0.0.2', { remoteAs: 4_200_000_001 });
  const external = peerSettings('10.0.0.2', { remoteAs: 'external' });
  const auto = peerSettings('10.0.0.2', { remoteAs: 'auto' });
  test.each<{ name: string; settings: PeerSettings; open: OpenMessage; result: string; problem?: string }>([
    { name: 'all in order', settings: ebgp, open: theirs(), result: 'accepted' },
    {
      name: 'version 5',
      settings: ebgp,
      open: theirs({ version: 5 }),
      result: '2/1 0 4',
      problem: 'version 5: only 4 is spoken',
    },
    {
      name: 'another AS',
      settings: ebgp,
      open: theirs({ myAs: 65003, capabilities: [v4] }),
      result: '2/2',
      problem: 'AS 65003: 65002 is configured',
    },
    { name: 'any other AS: theirs', settings: external, open: theirs(), result: 'accepted' },
    {
      name: 'any other AS: ours',
      settings: external,
      open: theirs({ myAs: 65001, capabilities: [v4] }),
      result: '2/2',
      problem: 'AS 65001: any but 65001 is configured',
    },
    { name: 'any other AS: 0', settings: external, open: theirs({ myAs: 0, capabilities: [v4] }), result: '2/2' },
    {
      name: 'any other AS: AS_TRANS, which is nobody',
      settings: external,
      open: theirs({ myAs: 23456, capabilities: [v4] }),
      result: '2/2',
    },
    { name: 'any AS: another', settings: auto, open: theirs(), result: 'accepted' },
    { name: 'any AS: ours', settings: auto, open: theirs({ myAs: 65001, capabilities: [v4] }), result: 'accepted' },
    {
      name: 'any AS: ours, with our identifier',
      settings: auto,
      open: theirs({ myAs: 65001, routerId: ip('10.0.0.1'), capabilities: [v4] }),
      result: '2/3',
    },
    { name: 'any AS: 0', settings: auto, open: theirs({ myAs: 0, capabilities: [v4] }), result: '2/2' },
    { name: 'AS 0', settings: ebgp, open: theirs({ myAs: 0, capabilities: [v4] }), result: '2/2' },
    { name: 'AS 0 in the capability', settings: ebgp, open: theirs({ capabilities: [v4, as4(0)] }), result: '2/2' },
    {
      name: 'a large AS with AS_TRANS in the header',
      settings: big,
      open: theirs({ myAs: 23456, capabilities: [v4, as4(4_200_000_001)] }),
      result: 'accepted',
    },
    {
      name: 'a large AS with another AS in the header',
      settings: big,
      open: theirs({ myAs: 65002, capabilities: [v4, as4(4_200_000_001)] }),
      result: '2/2',
      problem: 'AS 65002 in the header, AS 4200000001 in the capability',
    },
    {
      name: 'AS_TRANS without the capability',
      settings: big,
      open: theirs({ myAs: 23456, capabilities: [v4] }),
      result: '2/2',
    },
    {
      name: 'a small AS with AS_TRANS in the header',
      settings: ebgp,
      open: theirs({ myAs: 23456 }),
      result: 'accepted',
    },
    { name: 'no capability for the AS', settings: ebgp, open: theirs({ capabilities: [] }), result: 'accepted' },
    {
      name: 'identifier 0',
      settings: ebgp,
      open: theirs({ routerId: ip('0.0.0.0') }),
      result: '2/3',
      problem: 'BGP identifier 0.0.0.0: must not be zero, nor ours within one AS (RFC 6286)',
    },
    {
      name: 'our identifier from another AS (RFC 6286)',
      settings: ebgp,
      open: theirs({ routerId: ip('10.0.0.1') }),
      result: 'accepted',
    },
    {
      name: 'our identifier within our AS',
      settings: ibgp,
      open: theirs({ myAs: 65001, routerId: ip('10.0.0.1'), capabilities: [v4, as4(65001)] }),
      result: '2/3',
    },
    { name: 'hold time 0', settings: ebgp, open: theirs({ holdSeconds: 0 }), result: 'accepted' },
    {
      name: 'hold time 1',
      settings: ebgp,
      open: theirs({ holdSeconds: 1 }),
      result: '2/6',
      problem: 'hold time 1 s: must be 0 or at least 3 s (RFC 4271 §4.2)',
    },
    { name: 'hold time 2', settings: ebgp, open: theirs({ holdSeconds: 2 }), result: '2/6' },
    { name: 'hold time 3', settings: ebgp, open: theirs({ holdSeconds: 3 }), result: 'accepted' },
    {
      name: 'no common family',
      settings: peerSettings('10.0.0.2', { families: ['ipv6-unicast'] }),
      open: theirs({ capabilities: [v4] }),
      result: '2/7 1 4 0 2 0 1',
      problem: 'no address family in common with ipv6-unicast',
    },
    {
      name: 'IPv6 wanted, no multiprotocol capability at all',
      settings: peerSettings('10.0.0.2', { families: ['ipv6-unicast'] }),
      open: theirs({ capabilities: [] }),
      result: '2/7 1 4 0 2 0 1',
    },
  ])('$name: $result', ({ settings, open, result, problem }) => {
    expect(outcome(settings, open)).toBe(result);
    if (problem !== undefined) expect(openProblem(settings, open)).toBe(problem);
  });
});

describe('what is agreed on', () => {
  function agreed(settings: PeerSettings, open: OpenMessage) {
    const result = negotiate(settings, open, addresses);
    if (!result.ok) throw new Error('refused');
    return result.value;
  }

  test('families: those of both sides, IPv4 where nothing is said', () => {
    const both = peerSettings('10.0.0.2');
    expect([...agreed(both, theirs({ capabilities: [v6] })).families]).toEqual(['ipv6-unicast']);
    expect([...agreed(both, theirs({ capabilities: [] })).families]).toEqual(['ipv4-unicast']);
    expect([...agreed(both, theirs()).families]).toEqual(['ipv4-unicast', 'ipv6-unicast']);
  });

  test.each([
    { ours: 90, theirs: 180, configured: undefined, hold: 90, keepalive: 30 },
    { ours: 90, theirs: 9, configured: undefined, hold: 9, keepalive: 3 },
    { ours: 90, theirs: 0, configured: undefined, hold: 0, keepalive: 0 },
    { ours: 0, theirs: 90, configured: undefined, hold: 0, keepalive: 0 },
    { ours: 90, theirs: 90, configured: 10, hold: 90, keepalive: 10 },
    { ours: 90, theirs: 9, configured: 10, hold: 9, keepalive: 3 },
  ])('hold times $ours and $theirs, keepalive $configured: $hold and $keepalive', (row) => {
    const { ours, configured } = row;
    const settings = peerSettings('10.0.0.2', {
      holdSeconds: ours,
      ...(configured === undefined ? {} : { keepaliveSeconds: configured }),
    });
    const { holdSeconds, keepaliveSeconds } = agreed(settings, theirs({ holdSeconds: row.theirs }));
    expect([holdSeconds, keepaliveSeconds]).toEqual([row.hold, row.keepalive]);
  });

  test('ADD-PATH in the directions where one sends and the other receives', () => {
    const settings = peerSettings('10.0.0.2', {
      addPath: [
        { family: 'ipv4-unicast', send: true, receive: true },
        { family: 'ipv6-unicast', send: false, receive: true },
      ],
    });
    const entries = [
      { afi: 1, safi: 1, sendReceive: 2 as const },
      { afi: 2, safi: 1, sendReceive: 3 as const },
      { afi: 25, safi: 70, sendReceive: 3 as const },
    ];
    const { addPathReceive, addPathSend } = agreed(
      settings,
      theirs({ capabilities: [v4, v6, { type: 'add-path', entries }] }),
    );
    expect([...addPathReceive]).toEqual(['ipv4-unicast', 'ipv6-unicast']);
    expect([...addPathSend]).toEqual([]);
  });

  test('ADD-PATH is sent where we send and the peer receives', () => {
    const settings = peerSettings('10.0.0.2', {
      addPath: [
        { family: 'ipv4-unicast', send: true, receive: false },
        { family: 'ipv6-unicast', send: true, receive: true },
      ],
    });
    const entries = [
      { afi: 1, safi: 1, sendReceive: 1 as const },
      { afi: 2, safi: 1, sendReceive: 2 as const },
    ];
    const { addPathReceive, addPathSend } = agreed(
      settings,
      theirs({ capabilities: [v4, v6, { type: 'add-path', entries }] }),
    );
    expect([...addPathSend]).toEqual(['ipv4-unicast']);
    expect([...addPathReceive]).toEqual(['ipv6-unicast']);
  });

  test('four-octet AS numbers, route refresh and extended messages only where both have them', () => {
    const plain = agreed(peerSettings('10.0.0.2'), theirs({ capabilities: [v4, { type: 'extended-message' }] }));
    expect(plain).toMatchObject({ fourOctetAs: false, routeRefresh: false, maxOctets: 4096 });
    const extended = peerSettings('10.0.0.2', { extendedMessages: true });
    expect(agreed(extended, theirs()).maxOctets).toBe(4096);
    const all = theirs({ capabilities: [v4, as4(65002), { type: 'route-refresh' }, { type: 'extended-message' }] });
    expect(agreed(extended, all)).toMatchObject({ fourOctetAs: true, routeRefresh: true, maxOctets: 65535 });
  });
});

describe('an AS number that the OPEN tells', () => {
  test.each([
    { wanted: 'external' as const, asn: 65002, kind: 'ebgp' },
    { wanted: 'auto' as const, asn: 65002, kind: 'ebgp' },
    { wanted: 'auto' as const, asn: 65001, kind: 'ibgp' },
  ])('$wanted and AS $asn: $kind', ({ wanted, asn, kind }) => {
    const settings = peerSettings('10.0.0.2', { remoteAs: wanted });
    const result = negotiate(settings, theirs({ myAs: asn, capabilities: [v4, as4(asn)] }), addresses);
    expect(result).toMatchObject({ ok: true, value: { remoteAs: asn, kind } });
  });
});

describe('four-octet AS numbers (RFC 6793)', () => {
  test.each([
    { us: true, them: true, inForce: true },
    { us: true, them: false, inForce: false },
    { us: false, them: true, inForce: false },
    { us: false, them: false, inForce: false },
  ])('we offer $us, they offer $them: $inForce', ({ us, them, inForce }) => {
    const settings = peerSettings('10.0.0.2', { fourOctetAs: us });
    expect(offeredCapabilities(settings).some(({ type }) => type === 'four-octet-as')).toBe(us);
    const result = negotiate(settings, theirs({ capabilities: them ? [v4, as4(65002)] : [v4] }), addresses);
    expect(result).toMatchObject({ ok: true, value: { fourOctetAs: inForce } });
  });
});

describe('what a peer that knows no capabilities gets', () => {
  const settings = peerSettings('10.0.0.2', {
    addPath: [{ family: 'ipv4-unicast', send: true, receive: true }],
    extendedMessages: true,
  });
  test('an OPEN of RFC 4271 alone, and a session of IPv4 unicast', () => {
    const plain = withoutCapabilities(settings);
    expect(openFor(plain).capabilities).toEqual([]);
    const result = negotiate(plain, theirs(), addresses);
    if (!result.ok) throw new Error('refused');
    expect(result.value).toMatchObject({
      fourOctetAs: false,
      routeRefresh: false,
      maxOctets: 4096,
      capabilitiesSent: [],
    });
    expect([...result.value.families]).toEqual(['ipv4-unicast']);
    expect([...result.value.addPathReceive, ...result.value.addPathSend]).toEqual([]);
  });
});

describe('socket options', () => {
  test.each<{ name: string; settings: Partial<PeerSettings>; options: object }>([
    { name: 'eBGP', settings: {}, options: { ttl: 1, tos: 0xc0, userTimeoutMs: 90_000 } },
    { name: 'iBGP', settings: { kind: 'ibgp' }, options: { tos: 0xc0, userTimeoutMs: 90_000 } },
    { name: 'multihop', settings: { multihopTtl: 7 }, options: { ttl: 7, tos: 0xc0, userTimeoutMs: 90_000 } },
    {
      name: 'GTSM, next door',
      settings: { ttlSecurityHops: 1 },
      options: { ttl: 255, minTtl: 255, tos: 0xc0, userTimeoutMs: 90_000 },
    },
    {
      name: 'GTSM, three hops',
      settings: { ttlSecurityHops: 3, multihopTtl: 7 },
      options: { ttl: 255, minTtl: 253, tos: 0xc0, userTimeoutMs: 90_000 },
    },
    { name: 'no hold time', settings: { holdSeconds: 0, tos: 0 }, options: { ttl: 1, tos: 0 } },
    {
      name: 'a key',
      settings: { password: 'k' },
      options: { password: 'k', ttl: 1, tos: 0xc0, userTimeoutMs: 90_000 },
    },
  ])('$name', ({ settings, options }) => {
    expect(tcpOptionsOf(peerSettings('10.0.0.2', settings))).toEqual(options);
  });
});

describe('changed settings', () => {
  const before = peerSettings('10.0.0.2', { password: 'one', localAddress: ip('10.0.0.1') });
  const { password: _password, ...withoutPassword } = before;
  const { localAddress: _localAddress, ...withoutLocal } = before;
  test.each<{ name: string; after: PeerSettings; reset: boolean }>([
    { name: 'nothing', after: { ...before }, reset: false },
    { name: 'order of families', after: { ...before, families: ['ipv6-unicast', 'ipv4-unicast'] }, reset: false },
    { name: 'another key', after: { ...before, password: 'two' }, reset: false },
    {
      name: 'timers',
      after: { ...before, connectRetrySeconds: 1, idleHoldSeconds: 1, keepaliveSeconds: 1 },
      reset: false,
    },
    { name: 'socket options', after: { ...before, tos: 0, multihopTtl: 3, ttlSecurityHops: 2 }, reset: false },
    { name: 'passive', after: { ...before, passive: true }, reset: false },
    { name: 'no key', after: withoutPassword, reset: true },
    { name: 'address', after: { ...before, address: ip('10.0.0.3') }, reset: true },
    { name: 'no source address', after: withoutLocal, reset: true },
    { name: 'port', after: { ...before, port: 1790 }, reset: true },
    { name: 'device', after: { ...before, device: 'eth1' }, reset: true },
    { name: 'source interface', after: { ...before, localInterface: 'eth1' }, reset: true },
    { name: 'two-octet AS numbers', after: { ...before, fourOctetAs: false }, reset: true },
    { name: 'form of the OPEN', after: { ...before, extendedOpenParameters: true }, reset: false },
    { name: 'local AS', after: { ...before, localAs: 1 }, reset: true },
    { name: 'remote AS', after: { ...before, remoteAs: 1 }, reset: true },
    { name: 'router id', after: { ...before, routerId: ip('1.1.1.1') }, reset: true },
    { name: 'hold time', after: { ...before, holdSeconds: 9 }, reset: true },
    { name: 'families', after: { ...before, families: ['ipv4-unicast'] }, reset: true },
    { name: 'extended messages', after: { ...before, extendedMessages: true }, reset: true },
    {
      name: 'ADD-PATH',
      after: { ...before, addPath: [{ family: 'ipv4-unicast', send: true, receive: false }] },
      reset: true,
    },
    {
      name: 'ADD-PATH that does nothing',
      after: { ...before, addPath: [{ family: 'ipv4-unicast', send: false, receive: false }] },
      reset: false,
    },
  ])('$name: reset $reset', ({ after, reset }) => {
    expect(needsReset(before, after)).toBe(reset);
  });
});
