import { describe, expect, test } from 'vitest';
import {
  decodeUpdate,
  encodeEndOfRib,
  encodeUpdate,
  HEADER_OCTETS,
  ip,
  prefix,
  type SessionContext,
  type UpdateInput,
  UpdateScan,
} from '../../src/index.ts';
import { expectAgreement } from '../support/agreement.ts';
import { addPath, allContexts, ebgp, ibgp } from '../support/contexts.ts';
import { hex } from '../support/hex.ts';

const origin = '40 01 01 00';
const asPath = '40 02 06 02 01 0000fde8';
const nextHop = '40 03 04 c0000201';
const mandatory = `${origin} ${asPath} ${nextHop}`;
const mpReach = '80 0e 1a  0002 01 10 20010db8000000000000000000000001 00  20 20010db8';
const mpUnreach = '80 0f 08  0002 01  20 20010db8';

/** An UPDATE body from its three parts in hex. */
function body(withdrawn: string, attributes: string, nlri: string): Uint8Array {
  const length = (text: string) => hex(text).length.toString(16).padStart(4, '0');
  return hex(`${length(withdrawn)} ${withdrawn}\n ${length(attributes)} ${attributes}\n ${nlri}`);
}

const routeAttributes = { origin: 0, asPath: [{ type: 'sequence', asns: [65000] }], nextHop: ip('192.0.2.1') } as const;

describe('valid', () => {
  test.each<[string, SessionContext, Uint8Array, UpdateInput]>([
    ['nothing: End-of-RIB', ebgp, body('', '', ''), {}],
    ['a withdrawn route', ebgp, body('08 0a', '', ''), { withdrawn: [{ prefix: prefix('10.0.0.0/8') }] }],
    [
      'a route',
      ebgp,
      body('', mandatory, '18 c63364'),
      { attributes: routeAttributes, nlri: [{ prefix: prefix('198.51.100.0/24') }] },
    ],
    [
      'routes with path identifiers',
      addPath,
      body('00000001 08 0a', mandatory, '00000002 08 0b'),
      {
        withdrawn: [{ prefix: prefix('10.0.0.0/8'), pathId: 1 }],
        attributes: routeAttributes,
        nlri: [{ prefix: prefix('11.0.0.0/8'), pathId: 2 }],
      },
    ],
    [
      'IPv6, without NEXT_HOP',
      ebgp,
      body('', `${mpReach} ${origin} ${asPath}`, ''),
      {
        attributes: { ...routeAttributes, nextHop: ip('2001:db8::1') },
        mpReach: {
          afi: 2,
          safi: 1,
          family: 'ipv6-unicast',
          nextHop: ip('2001:db8::1'),
          nlri: [{ prefix: prefix('2001:db8::/32') }],
        },
      },
    ],
    [
      'IPv6 withdrawn',
      ebgp,
      body('', mpUnreach, ''),
      {
        attributes: {},
        mpUnreach: { afi: 2, safi: 1, family: 'ipv6-unicast', withdrawn: [{ prefix: prefix('2001:db8::/32') }] },
      },
    ],
  ])('%s', (_name, context, octets, update) => {
    const decoded = decodeUpdate(octets, context);
    expect(decoded).toMatchObject({ ok: true, value: { withdrawn: [], nlri: [], problems: [], ...update } });
    expect(encodeUpdate(update, context).subarray(HEADER_OCTETS)).toEqual(octets);
    expectAgreement(octets, context, new UpdateScan());
  });

  test('both families in one message, each with its next hop', () => {
    const decoded = decodeUpdate(body('', `${mpReach} ${mandatory}`, '08 0a'), ebgp);
    expect(decoded).toMatchObject({
      ok: true,
      value: { attributes: { nextHop: ip('192.0.2.1') }, mpReach: { nextHop: ip('2001:db8::1') }, problems: [] },
    });
    if (decoded.ok) {
      expect(encodeUpdate(decoded.value, ebgp).subarray(HEADER_OCTETS)).toEqual(
        body('', `${mpReach} ${mandatory}`, '08 0a'),
      );
    }
  });
});

describe('End-of-RIB (RFC 4724 §2)', () => {
  test.each(['ipv4-unicast', 'ipv6-unicast'] as const)('%s', (family) => {
    for (const context of allContexts) {
      const octets = encodeEndOfRib(family, context);
      expect(octets.length).toBe(family === 'ipv4-unicast' ? 23 : 29);
      const decoded = decodeUpdate(octets.subarray(HEADER_OCTETS), context);
      expect(decoded.ok && decoded.value.endOfRib).toBe(family);
    }
  });

  test.each([
    ['a withdrawn IPv4 route', body('08 0a', '', '')],
    ['a withdrawn IPv6 route', body('', mpUnreach, '')],
    ['an empty MP_UNREACH beside withdrawn routes', body('08 0a', '80 0f 03 0002 01', '')],
    ['an empty MP_UNREACH beside another attribute', body('', `80 0f 03 0002 01 ${origin}`, '')],
    ['an attribute and no route', body('', origin, '')],
    ['an empty MP_UNREACH of a family without a name', body('', '80 0f 03 0019 46', '')],
  ])('is not %s', (_name, octets) => {
    const decoded = decodeUpdate(octets, ebgp);
    expect(decoded.ok).toBe(true);
    expect(decoded.ok && decoded.value.endOfRib).toBeUndefined();
    expectAgreement(octets, ebgp, new UpdateScan());
  });
});

describe('session reset', () => {
  test.each<[string, SessionContext, Uint8Array, number]>([
    ['no room for the lengths', ebgp, hex('0000 00'), 1],
    ['withdrawn routes past the end (RFC 7606 §3 b)', ebgp, hex('0003 08 0a 0000'), 1],
    ['withdrawn routes up to the end', ebgp, hex('0004 08 0a 0000'), 1],
    ['attributes past the end (RFC 7606 §3 b)', ebgp, hex('0000 0005 40010100'), 1],
    ['withdrawn prefix of 33 bits (RFC 7606 §5.3)', ebgp, body('21 0a00000000', '', ''), 10],
    ['withdrawn prefix past the field', ebgp, body('18 0a', '', ''), 10],
    ['NLRI of 33 bits (RFC 7606 §5.3)', ebgp, body('', mandatory, '21 0a00000000'), 10],
    ['NLRI past the end', ebgp, body('', mandatory, '08 0a 18 c633'), 10],
    ['NLRI without the path ids agreed on', addPath, body('', mandatory, '08 0a'), 10],
    ['MP_REACH twice', ebgp, body('', `${mpReach} ${mpReach} ${origin} ${asPath}`, ''), 1],
    ['MP_UNREACH twice', ebgp, body('', `${mpUnreach} ${mpUnreach}`, ''), 1],
    ['an unknown well-known attribute', ebgp, body('', `${mandatory} 40 c8 00`, '08 0a'), 2],
    // RFC 7606 §5.2: attributes, but nothing announced that could be withdrawn.
    ['a malformed attribute and no route', ebgp, body('', '40 01 01 07', ''), 6],
    ['a malformed attribute and withdrawn routes only', ebgp, body('08 0a', '40 01 01 07', ''), 6],
    ['a malformed attribute beside MP_UNREACH', ebgp, body('', `${mpUnreach} 40 01 01 07`, ''), 6],
    ['attributes that overrun, and no route', ebgp, body('', '40 01 02 07', ''), 5],
    ['a wrongly flagged MP_UNREACH beside another attribute', ebgp, body('', `c0 0f 03 0002 01 ${origin}`, ''), 4],
  ])('%s', (_name, context, octets, subcode) => {
    const decoded = decodeUpdate(octets, context);
    expect(decoded.ok).toBe(false);
    if (!decoded.ok) expect([decoded.error.code, decoded.error.subcode]).toEqual([3, subcode]);
    expectAgreement(octets, context, new UpdateScan());
  });

  test('the strongest error decides (RFC 7606 §3 h)', () => {
    const decoded = decodeUpdate(body('', `40 06 01 00 40 01 01 07 40 c8 00 ${asPath} ${nextHop}`, '08 0a'), ebgp);
    expect(decoded).toMatchObject({ ok: false, error: { code: 3, subcode: 2 } });
  });
});

describe('treat-as-withdraw', () => {
  test.each<[string, SessionContext, Uint8Array, string[]]>([
    ['no attributes at all (RFC 7606 §3 d)', ebgp, body('', '', '08 0a'), ['missing', 'missing', 'missing']],
    ['ORIGIN missing', ebgp, body('', `${asPath} ${nextHop}`, '08 0a'), ['ORIGIN: missing']],
    ['AS_PATH missing', ebgp, body('', `${origin} ${nextHop}`, '08 0a'), ['AS_PATH: missing']],
    ['NEXT_HOP missing', ebgp, body('', `${origin} ${asPath}`, '08 0a'), ['NEXT_HOP: missing']],
    ['LOCAL_PREF missing from an internal peer', ibgp, body('', mandatory, '08 0a'), ['LOCAL_PREF: missing']],
    [
      'ORIGIN and AS_PATH missing beside MP_REACH',
      ebgp,
      body('', mpReach, ''),
      ['ORIGIN: missing', 'AS_PATH: missing'],
    ],
    [
      'malformed and not also missing',
      ebgp,
      body('', `40 01 01 07 ${asPath} ${nextHop}`, '08 0a'),
      ['ORIGIN: value 7'],
    ],
    [
      'attributes that overrun (RFC 7606 §4), NLRI where the length says',
      ebgp,
      body('', `${mandatory} 80 04 05 00000001`, '08 0a'),
      ['MULTI_EXIT_DISC: runs past the end'],
    ],
  ])('%s', (_name, context, octets, messages) => {
    const decoded = decodeUpdate(octets, context);
    if (!decoded.ok) throw new Error(`NOTIFICATION ${decoded.error.code}/${decoded.error.subcode}`);
    const { problems, nlri, mpReach: reach } = decoded.value;
    expect(problems.map((problem) => problem.action)).toEqual(messages.map(() => 'treat-as-withdraw'));
    for (const [i, message] of messages.entries()) expect(problems[i]?.message).toContain(message);
    expect(nlri.length + (reach?.nlri.length ?? 0)).toBe(1);
    expectAgreement(octets, context, new UpdateScan());
  });

  test('missing attributes are named in the NOTIFICATION (RFC 4271 §6.3)', () => {
    const decoded = decodeUpdate(body('', `${asPath} ${nextHop}`, '08 0a'), ebgp);
    expect(decoded.ok && decoded.value.problems[0]?.notification).toEqual({ code: 3, subcode: 3, data: hex('01') });
  });

  test('a wrongly flagged MP_UNREACH alone still withdraws (RFC 7606 §5.2 excepts it)', () => {
    const decoded = decodeUpdate(body('', 'c0 0f 08  0002 01  20 20010db8', ''), ebgp);
    expect(decoded).toMatchObject({
      ok: true,
      value: { mpUnreach: { withdrawn: [{ prefix: prefix('2001:db8::/32') }] } },
    });
  });

  test('the NEXT_HOP of the NLRI field is not replaced by that of MP_REACH', () => {
    const decoded = decodeUpdate(body('', `${mpReach} ${origin} ${asPath}`, '08 0a'), ebgp);
    expect(decoded.ok && decoded.value.problems.map((problem) => problem.message)).toEqual(['NEXT_HOP: missing']);
  });
});

describe('attribute discard leaves the routes alone', () => {
  test.each([
    ['with routes', body('', `${mandatory} 40 06 01 00`, '08 0a')],
    ['without', body('', '40 06 01 00', '')],
  ])('%s', (_name, octets) => {
    const decoded = decodeUpdate(octets, ebgp);
    expect(decoded.ok && decoded.value.problems.map((problem) => problem.action)).toEqual(['attribute-discard']);
  });
});

test('withdrawn routes need no attributes, from whomever', () => {
  for (const context of [ebgp, ibgp]) {
    const decoded = decodeUpdate(body('08 0a', '', ''), context);
    expect(decoded).toMatchObject({ ok: true, value: { problems: [] } });
  }
});

describe('encodeUpdate', () => {
  const many = (count: number) => Array.from({ length: count }, () => ({ prefix: prefix('192.0.2.1/32') }));

  test('refuses what exceeds the session', () => {
    expect(() => encodeUpdate({ withdrawn: many(900) }, ebgp)).toThrow(RangeError);
    expect(encodeUpdate({ withdrawn: many(900) }, { ...ebgp, maxOctets: 65535 }).length).toBe(23 + 4500);
    expect(() => encodeUpdate({ withdrawn: many(14000) }, { ...ebgp, maxOctets: 65535 })).toThrow(RangeError);
  });
});

describe('UpdateScan', () => {
  test('finds the parts in place', () => {
    const octets = body('08 0a 08 0b', `${origin} ${mpReach} ${asPath} ${mpUnreach} ${nextHop}`, '18 c63364');
    const scan = new UpdateScan();
    expect(scan.read(octets, 0, octets.length, ebgp)).toBe(true);
    expect([scan.withdrawnStart, scan.withdrawnEnd, scan.withdrawnCount]).toEqual([2, 6, 2]);
    expect([scan.attributesStart, scan.attributesEnd - scan.attributesStart, scan.attributeCount]).toEqual([8, 60, 5]);
    expect([scan.nlriStart, scan.nlriEnd, scan.nlriCount]).toEqual([68, 72, 1]);
    const { mpReach: reach, mpUnreach: unreach } = scan;
    expect(octets.subarray(reach.attributeStart, reach.attributeEnd)).toEqual(hex(mpReach));
    expect(octets.subarray(unreach.attributeStart, unreach.attributeEnd)).toEqual(hex(mpUnreach));
    expect(octets.subarray(reach.nextHopStart, reach.nextHopEnd)).toEqual(ip('2001:db8::1').octets);
    expect(octets.subarray(reach.nlriStart, reach.nlriEnd)).toEqual(hex('20 20010db8'));
    expect([reach.family, reach.count, unreach.family, unreach.count]).toEqual(['ipv6-unicast', 1, 'ipv6-unicast', 1]);
  });

  test('forgets the message before', () => {
    const scan = new UpdateScan();
    const first = body('', `${mpReach} ${origin} ${asPath}`, '');
    const second = body('', '', '');
    expect(scan.read(first, 0, first.length, ebgp)).toBe(true);
    expect(scan.read(second, 0, second.length, ebgp)).toBe(true);
    expect([scan.mpReach.isPresent, scan.mpUnreach.isPresent, scan.endOfRib()]).toEqual([false, false, 'ipv4-unicast']);
  });
});
