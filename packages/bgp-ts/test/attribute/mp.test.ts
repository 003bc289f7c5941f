import { describe, expect, test } from 'vitest';
import {
  decodeAttributes,
  encodeAttributes,
  encodeMpReachHead,
  ip,
  type MpReach,
  prefix,
  type SessionContext,
} from '../../src/index.ts';
import { addPath, ebgp, extendedNextHop } from '../support/contexts.ts';
import { hex } from '../support/hex.ts';

const global = '20010db8000000000000000000000001';
const linkLocal = 'fe800000000000000000000000000001';
const decode = (octets: string, context: SessionContext = ebgp, nlriIsEmpty = true) => {
  const bytes = hex(octets);
  return decodeAttributes(bytes, 0, bytes.length, context, { nlriIsEmpty });
};

describe('MP_REACH_NLRI', () => {
  test('one next hop', () => {
    // flags, type, length; AFI, SAFI, length of next hop, next hop, reserved, NLRI
    const octets = `80 0e 1a  0002 01 10 ${global} 00  20 20010db8`;
    const mpReach: MpReach = {
      afi: 2,
      safi: 1,
      family: 'ipv6-unicast',
      nextHop: ip('2001:db8::1'),
      nlri: [{ prefix: prefix('2001:db8::/32') }],
    };
    expect(decode(octets)).toEqual({ attributes: { nextHop: ip('2001:db8::1') }, mpReach, count: 1, problems: [] });
    expect(encodeAttributes({}, ebgp, { mpReach })).toEqual(hex(octets));
  });

  test('two next hops, path ids, first in the message (RFC 7606 §5.1)', () => {
    const octets = `80 0e 2e  0002 01 20 ${global} ${linkLocal} 00  0000002a 20 20010db8  40 01 01 00`;
    const { attributes, mpReach } = decode(octets, addPath);
    expect(attributes).toEqual({ origin: 0, nextHop: ip('2001:db8::1'), linkLocalNextHop: ip('fe80::1') });
    expect(mpReach?.nlri).toEqual([{ prefix: prefix('2001:db8::/32'), pathId: 42 }]);
    expect(encodeAttributes(attributes, addPath, { mpReach })).toEqual(hex(octets));
  });

  test('a second next hop that is not link-local means nothing', () => {
    const { mpReach } = decode(`80 0e 25  0002 01 20 ${global} ${global} 00`);
    expect(mpReach).toMatchObject({ nextHop: ip('2001:db8::1') });
    expect(mpReach?.linkLocalNextHop).toBeUndefined();
  });

  test(':: in front of a link-local address, as BIRD sends it', () => {
    const { mpReach, problems } = decode(`80 0e 25  0002 01 20 ${'00'.repeat(16)} ${linkLocal} 00`);
    expect(problems).toEqual([]);
    expect(mpReach?.nextHop).toEqual(ip('fe80::1'));
    expect(mpReach?.linkLocalNextHop).toBeUndefined();
  });

  test('IPv4, with an IPv4 next hop and with one of IPv6', () => {
    expect(decode('80 0e 0b  0001 01 04 c0000201 00  08 0a').mpReach).toMatchObject({
      family: 'ipv4-unicast',
      nextHop: ip('192.0.2.1'),
      nlri: [{ prefix: prefix('10.0.0.0/8') }],
    });
    const octets = `80 0e 17  0001 01 10 ${global} 00  08 0a`;
    const { mpReach } = decode(octets, extendedNextHop);
    expect(mpReach).toMatchObject({ nextHop: ip('2001:db8::1'), nlri: [{ prefix: prefix('10.0.0.0/8') }] });
    expect(encodeAttributes({}, extendedNextHop, { mpReach })).toEqual(hex(octets));
  });

  test('families without a codec stay octets', () => {
    const octets = '80 0e 09  0019 46 04 c0000201 00';
    const { mpReach, attributes } = decode(octets);
    expect(mpReach).toEqual({ afi: 25, safi: 70, nlri: [], raw: hex('04 c0000201 00') });
    expect(attributes).toEqual({});
    expect(encodeAttributes({}, ebgp, { mpReach })).toEqual(hex(octets));
  });

  test('its routes are there to withdraw when flags or next hop are wrong', () => {
    for (const octets of [
      `c0 0e 1a  0002 01 10 ${global} 00  20 20010db8`,
      `80 0e 1a  0002 01 10 ${'00'.repeat(16)} 00  20 20010db8`,
    ]) {
      const { mpReach, problems } = decode(octets);
      expect(mpReach?.nlri).toEqual([{ prefix: prefix('2001:db8::/32') }]);
      expect(problems.map((problem) => problem.action)).toEqual(['treat-as-withdraw']);
    }
  });

  test('cannot be written without a next hop', () => {
    // From JavaScript: the compiler does not let it pass.
    const mpReach = { afi: 2, safi: 1, family: 'ipv6-unicast', nlri: [] } as unknown as MpReach;
    expect(() => encodeAttributes({}, ebgp, { mpReach })).toThrow(RangeError);
  });

  test('head for writers that append the NLRI themselves', () => {
    const nextHop = { nextHop: ip('2001:db8::1'), linkLocalNextHop: ip('fe80::1') };
    expect(encodeMpReachHead('ipv6-unicast', nextHop)).toEqual(hex(`0002 01 20 ${global} ${linkLocal} 00`));
    expect(encodeMpReachHead('ipv4-unicast', { nextHop: ip('192.0.2.1') })).toEqual(hex('0001 01 04 c0000201 00'));
  });
});

describe('NEXT_HOP beside MP_REACH_NLRI (RFC 4760 §3)', () => {
  const mp = `80 0e 1a  0002 01 10 ${global} 00  20 20010db8`;

  test('belongs to the NLRI field if that is used', () => {
    const { attributes, mpReach } = decode(`${mp} 40 03 04 c0000201`, ebgp, false);
    expect(attributes.nextHop).toEqual(ip('192.0.2.1'));
    expect(mpReach?.nextHop).toEqual(ip('2001:db8::1'));
  });

  test('is ignored if not', () => {
    expect(decode(`${mp} 40 03 04 c0000201`).attributes.nextHop).toEqual(ip('2001:db8::1'));
  });

  test('and then its address is not judged, but its length is', () => {
    expect(decode(`${mp} 40 03 04 00000000`).problems.map((p) => p.action)).toEqual(['attribute-discard']);
    expect(decode(`${mp} 40 03 04 00000000`, ebgp, false).problems.map((p) => p.action)).toEqual(['treat-as-withdraw']);
    expect(decode(`${mp} 40 03 03 000000`).problems.map((p) => p.action)).toEqual(['treat-as-withdraw']);
  });
});

describe('MP_UNREACH_NLRI', () => {
  test('with path ids', () => {
    const octets = '80 0f 0c  0002 01  00000007 20 20010db8';
    const { mpUnreach } = decode(octets, addPath);
    expect(mpUnreach?.withdrawn).toEqual([{ prefix: prefix('2001:db8::/32'), pathId: 7 }]);
    expect(encodeAttributes({}, addPath, { mpUnreach })).toEqual(hex(octets));
  });

  test('empty: End-of-RIB', () => {
    expect(decode('80 0f 03 0002 01').mpUnreach).toEqual({ afi: 2, safi: 1, family: 'ipv6-unicast', withdrawn: [] });
  });

  test('of another family', () => {
    const octets = '80 0f 05 0019 46 0102';
    const { mpUnreach } = decode(octets);
    expect(mpUnreach).toEqual({ afi: 25, safi: 70, withdrawn: [], raw: hex('0102') });
    expect(encodeAttributes({}, ebgp, { mpUnreach })).toEqual(hex(octets));
  });
});
