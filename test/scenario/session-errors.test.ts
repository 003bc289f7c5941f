import { encodeKeepalive, encodeOpen, ip } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { openFor, type PeerSettings } from '../../speaker/negotiate.ts';
import { peerSettings, SessionLab } from '../support/session-lab.ts';

/** Octets of hex digits, spaces between them as one likes. */
function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

const marker = 'ff'.repeat(16);
const u16 = (value: number): string => value.toString(16).padStart(4, '0');

/** An OPEN with this body, its length right. */
const open = (body: string): string => `${marker} ${u16(19 + hex(body).length)} 01 ${body}`;

// Version, AS 65002, hold time 90 s, identifier 10.0.0.2: what the peer is configured to be.
const fixed = '04 fdea 005a 0a000002';
// IPv4 and IPv6 unicast, AS 65002.
const families = '01 04 0001 00 01  01 04 0002 00 01';
const asn = '41 04 0000fdea';

interface Row {
  readonly what: string;
  readonly rfc: string;
  readonly octets: string;
  /** Code, subcode and data of the NOTIFICATION; `accepted` where there is nothing to complain about. */
  readonly answer: string;
  readonly settings?: Partial<PeerSettings>;
}

/** RFC 4271 §6.1, RFC 8654 §4. */
const headers: readonly Row[] = [
  { what: 'a marker that is not all ones', rfc: '4271 6.1', octets: `${'fe'.repeat(16)} 0013 04`, answer: '1/1' },
  { what: 'one zero bit at its end', rfc: '4271 6.1', octets: `${'ff'.repeat(15)}fe 0013 04`, answer: '1/1' },
  { what: 'length 0', rfc: '4271 6.1', octets: `${marker} 0000 04`, answer: '1/2: 0 0' },
  { what: 'length 18', rfc: '4271 6.1', octets: `${marker} 0012 04`, answer: '1/2: 0 18' },
  { what: 'length 4097', rfc: '4271 6.1', octets: `${marker} 1001 02`, answer: '1/2: 16 1' },
  { what: 'length 65535', rfc: '4271 6.1', octets: `${marker} ffff 02`, answer: '1/2: 255 255' },
  { what: 'OPEN of 28', rfc: '4271 6.1', octets: `${marker} 001c 01`, answer: '1/2: 0 28' },
  { what: 'UPDATE of 22', rfc: '4271 6.1', octets: `${marker} 0016 02`, answer: '1/2: 0 22' },
  { what: 'NOTIFICATION of 20', rfc: '4271 6.1', octets: `${marker} 0014 03`, answer: '1/2: 0 20' },
  { what: 'KEEPALIVE of 20', rfc: '4271 6.1', octets: `${marker} 0014 04 00`, answer: '1/2: 0 20' },
  { what: 'type 0', rfc: '4271 6.1', octets: `${marker} 0013 00`, answer: '1/3: 0' },
  { what: 'type 6', rfc: '4271 6.1', octets: `${marker} 0013 06`, answer: '1/3: 6' },
  { what: 'type 255', rfc: '4271 6.1', octets: `${marker} 0013 ff`, answer: '1/3: 255' },
  {
    what: 'an OPEN of 4097 where extended messages are offered',
    rfc: '8654 4',
    octets: `${marker} 1001 01`,
    answer: '1/2: 16 1',
    settings: { extendedMessages: true },
  },
  {
    what: 'a KEEPALIVE of 4097 where extended messages are offered',
    rfc: '8654 4',
    octets: `${marker} 1001 04`,
    answer: '1/2: 16 1',
    settings: { extendedMessages: true },
  },
];

/** RFC 4271 §6.2, RFC 5492, RFC 6286, RFC 6793, RFC 7607, RFC 9072. */
const opens: readonly Row[] = [
  { what: 'version 3', rfc: '4271 6.2', octets: open('03 fdea 005a 0a000002 00'), answer: '2/1: 0 4' },
  { what: 'version 5', rfc: '4271 6.2', octets: open('05 fdea 005a 0a000002 00'), answer: '2/1: 0 4' },
  {
    what: 'version 3 with nothing else right: the version comes first',
    rfc: '4271 6.2',
    octets: open('03 0000 0001 00000000 ff'),
    answer: '2/1: 0 4',
  },
  { what: 'another AS', rfc: '4271 6.2', octets: open('04 fdeb 005a 0a000002 00'), answer: '2/2' },
  { what: 'AS 0', rfc: '7607 2', octets: open('04 0000 005a 0a000002 00'), answer: '2/2' },
  { what: 'AS_TRANS and no capability', rfc: '6793 4.2', octets: open('04 5ba0 005a 0a000002 00'), answer: '2/2' },
  {
    what: 'another AS in the capability',
    rfc: '6793 4.2',
    octets: open(`${fixed} 08 02 06 41 04 0000fdeb`),
    answer: '2/2',
  },
  { what: 'AS 0 in the capability', rfc: '7607 2', octets: open(`${fixed} 08 02 06 41 04 00000000`), answer: '2/2' },
  {
    what: 'another AS in the header than in the capability',
    rfc: '6793 4.2',
    octets: open(`04 fdeb 005a 0a000002 08 02 06 ${asn}`),
    answer: '2/2',
  },
  { what: 'identifier 0', rfc: '6286 2.2', octets: open('04 fdea 005a 00000000 00'), answer: '2/3' },
  {
    what: 'our identifier, within our AS',
    rfc: '6286 2.2',
    octets: open('04 fde9 005a 0a000001 00'),
    answer: '2/3',
    settings: { remoteAs: 65001, kind: 'ibgp' },
  },
  {
    what: 'our identifier, from another AS',
    rfc: '6286 2.2',
    octets: open('04 fdea 005a 0a000001 00'),
    answer: 'accepted',
  },
  {
    what: 'an identifier that is no unicast address',
    rfc: '6286 2.1',
    octets: open('04 fdea 005a e0000001 00'),
    answer: 'accepted',
  },
  { what: 'hold time 1', rfc: '4271 6.2', octets: open('04 fdea 0001 0a000002 00'), answer: '2/6' },
  { what: 'hold time 2', rfc: '4271 6.2', octets: open('04 fdea 0002 0a000002 00'), answer: '2/6' },
  { what: 'hold time 3', rfc: '4271 6.2', octets: open('04 fdea 0003 0a000002 00'), answer: 'accepted' },
  { what: 'hold time 0', rfc: '4271 6.2', octets: open('04 fdea 0000 0a000002 00'), answer: 'accepted' },
  { what: 'an authentication parameter', rfc: '4271 6.2', octets: open(`${fixed} 03 01 01 00`), answer: '2/4' },
  { what: 'an unknown parameter', rfc: '4271 6.2', octets: open(`${fixed} 02 63 00`), answer: '2/4' },
  {
    what: 'an unknown parameter behind capabilities',
    rfc: '4271 6.2',
    octets: open(`${fixed} 0a 02 06 ${asn} 63 00`),
    answer: '2/4',
  },
  { what: 'parameters that end too early', rfc: '4271 6.2', octets: open(`${fixed} 03 02 00`), answer: '2/0' },
  { what: 'octets behind the parameters', rfc: '4271 6.2', octets: open(`${fixed} 00 00`), answer: '2/0' },
  { what: 'a parameter past the end', rfc: '4271 6.2', octets: open(`${fixed} 04 02 08 02 00`), answer: '2/0' },
  { what: 'a parameter without length', rfc: '4271 6.2', octets: open(`${fixed} 01 02`), answer: '2/0' },
  { what: 'a capability past the end', rfc: '5492 4', octets: open(`${fixed} 04 02 02 02 01`), answer: '2/0' },
  { what: 'a capability without length', rfc: '5492 4', octets: open(`${fixed} 03 02 01 02`), answer: '2/0' },
  {
    what: 'a multiprotocol capability of 3 octets',
    rfc: '5492 4',
    octets: open(`${fixed} 07 02 05 01 03 0001 00`),
    answer: '2/0',
  },
  {
    what: 'an AS capability of 2 octets',
    rfc: '6793 3',
    octets: open(`${fixed} 06 02 04 41 02 fdea`),
    answer: '2/0',
  },
  {
    what: 'a capability nobody knows',
    rfc: '5492 3',
    octets: open(`${fixed} 06 02 04 c8 02 0102`),
    answer: 'accepted',
  },
  {
    what: 'the same capability twice, and each in a parameter of its own',
    rfc: '5492 4',
    octets: open(`${fixed} 0c 02 04 02 00 02 00 02 04 02 00 02 00`),
    answer: 'accepted',
  },
  {
    what: 'no family of ours: those we want are named',
    rfc: '5492 5',
    octets: open(`${fixed} 08 02 06 01 04 0019 00 46`),
    answer: '2/7: 1 4 0 1 0 1 1 4 0 2 0 1',
  },
  {
    what: 'no capability at all where IPv6 alone is wanted',
    rfc: '5492 5',
    octets: open(`${fixed} 00`),
    answer: '2/7: 1 4 0 2 0 1',
    settings: { families: ['ipv6-unicast'] },
  },
  { what: 'no capability at all: IPv4', rfc: '4760 8', octets: open(`${fixed} 00`), answer: 'accepted' },
  {
    what: 'extended parameters',
    rfc: '9072 2',
    octets: open(`${fixed} ff ff 0015 02 0012 ${families} ${asn}`),
    answer: 'accepted',
  },
  {
    what: 'extended parameters with another first length',
    rfc: '9072 2',
    octets: open(`${fixed} 01 ff 0015 02 0012 ${families} ${asn}`),
    answer: 'accepted',
  },
  {
    what: 'extended parameters of length 0',
    rfc: '9072 2',
    octets: open(`${fixed} ff ff 0000`),
    answer: 'accepted',
  },
  {
    what: 'an unknown extended parameter',
    rfc: '9072 2',
    octets: open(`${fixed} ff ff 0003 63 0000`),
    answer: '2/4',
  },
  {
    what: 'extended parameters that end too early',
    rfc: '9072 2',
    octets: open(`${fixed} ff ff 0006 02 0002 02 00`),
    answer: '2/0',
  },
  {
    what: 'octets behind extended parameters',
    rfc: '9072 2',
    octets: open(`${fixed} ff ff 0005 02 0002 02 00 00`),
    answer: '2/0',
  },
  { what: 'extended length cut short', rfc: '9072 2', octets: open(`${fixed} ff ff 00`), answer: '2/0' },
  {
    what: 'an extended parameter past the end',
    rfc: '9072 2',
    octets: open(`${fixed} ff ff 0005 02 0009 02 00`),
    answer: '2/0',
  },
];

/** A speaker with a good session beside the one that is sent these octets in OpenSent. */
function answerTo({ octets, settings }: Row): { heard: string; state: string; isGoodUp: boolean; isClosed: boolean } {
  const lab = new SessionLab();
  const left = lab.speaker('10.0.0.1');
  const good = left.add(peerSettings('10.0.0.9', { remoteAs: 65009, passive: true }));
  const bad = left.add(peerSettings('10.0.0.2', { passive: true, ...settings }));
  good.start();
  bad.start();
  const friend = lab.rawConnect('10.0.0.9', '10.0.0.1');
  const end = lab.rawConnect('10.0.0.2', '10.0.0.1');
  lab.clock.advance(10);
  friend.send(encodeOpen(openFor(peerSettings('10.0.0.1', { localAs: 65009, routerId: ip('10.0.0.9') }))));
  friend.send(encodeKeepalive());
  end.send(hex(octets));
  lab.clock.advance(10);
  return {
    heard: end.heard.at(-1) === 'KEEPALIVE' ? 'accepted' : (end.heard.at(-1)?.replace('NOTIFICATION ', '') ?? ''),
    state: bad.snapshot().state,
    isGoodUp: good.snapshot().state === 'Established' && good.snapshot().established === 1,
    isClosed: end.isClosed,
  };
}

describe.each([
  { part: 'headers', rows: headers },
  { part: 'OPENs', rows: opens },
])('the answer to $part', ({ rows }) => {
  test.each(rows)('$what (RFC $rfc): $answer', (row) => {
    const isAccepted = row.answer === 'accepted';
    expect(answerTo(row)).toEqual({
      heard: row.answer,
      state: isAccepted ? 'OpenConfirm' : 'Idle',
      isGoodUp: true,
      isClosed: !isAccepted,
    });
  });
});
