import { fromHex } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { type JudgeContext, type Judgement, judgeUpdate } from '../../fuzz/judge.ts';

const ebgp: JudgeContext = { kind: 'ebgp', fourOctetAs: true, addPath4: false, addPath6: false };
const ibgp: JudgeContext = { ...ebgp, kind: 'ibgp' };
const ORIGIN = '40010100';
const PATH = '40020602010000fc00';
const HOP = '400304c0000201';
const GOOD = ORIGIN + PATH + HOP;

/** An UPDATE body of attributes and NLRI in hex. */
function body(attributes: string, nlri = '18c63364', withdrawn = ''): Uint8Array {
  const length = (hex: string): string => (hex.length / 2).toString(16).padStart(4, '0');
  return fromHex(length(withdrawn) + withdrawn + length(attributes) + attributes + nlri);
}

function inShort(judged: Judgement): string {
  if (judged.action === 'unsure') return 'unsure';
  return judged.action === 'reset' ? `reset ${[...judged.codes].join(' ')}` : judged.action;
}

describe('the judge', () => {
  test.each<[string, Uint8Array, JudgeContext, string]>([
    ['a good one', body(GOOD), ebgp, 'accept'],
    ['End-of-RIB', body('', ''), ebgp, 'accept'],
    ['sections that do not fit (RFC 4271 §6.3)', fromHex('0000 0009 40010100'), ebgp, 'reset 3/1'],
    ['a prefix of 33 bits (RFC 7606 §5.3)', body(GOOD, '21c633640000'), ebgp, 'reset 3/10'],
    ['ORIGIN 3 (RFC 7606 §7.1)', body(`40010103${PATH}${HOP}`), ebgp, 'treat-as-withdraw'],
    ['ORIGIN 3 and no routes (RFC 7606 §5.2)', body(`40010103${PATH}${HOP}`, ''), ebgp, 'reset 3/6'],
    ['no ORIGIN (RFC 7606 §3 d)', body(PATH + HOP), ebgp, 'treat-as-withdraw'],
    ['no LOCAL_PREF inside an AS', body(GOOD), ibgp, 'treat-as-withdraw'],
    ['flags of ORIGIN (RFC 7606 §3 c)', body(`c0010100${PATH}${HOP}`), ebgp, 'treat-as-withdraw'],
    ['an unknown well-known attribute (RFC 4271 §6.3)', body(`${GOOD}406300`), ebgp, 'reset 3/2'],
    ['ORIGIN twice (RFC 7606 §3 g)', body(GOOD + ORIGIN), ebgp, 'accept'],
    ['MP_UNREACH_NLRI twice', body(`${GOOD}800f03000201800f03000201`), ebgp, 'reset 3/1'],
    ['an attribute that runs past the end (RFC 7606 §4)', body(`${GOOD}c00809`), ebgp, 'treat-as-withdraw'],
    ['AS 0 (RFC 7607)', body(`${ORIGIN}40020602010000000${'0'}${HOP}`), ebgp, 'treat-as-withdraw'],
    ['NEXT_HOP 127.0.0.1', body(`${ORIGIN}${PATH}4003047f000001`), ebgp, 'treat-as-withdraw'],
    ['AGGREGATOR of 5 octets (RFC 7606 §7.7)', body(`${GOOD}c007050000000000`), ebgp, 'accept'],
    ['COMMUNITIES of 3 octets (RFC 7606 §7.8)', body(`${GOOD}c00803000000`), ebgp, 'treat-as-withdraw'],
    ['AIGP', body(`${GOOD}801a00`), ebgp, 'unsure'],
  ])('%s', (_name, octets, context, expected) => {
    expect(inShort(judgeUpdate(octets, context))).toBe(expected);
  });

  test('routes of a family that cannot be read disable it', () => {
    const judged = judgeUpdate(body(`${ORIGIN}${PATH}800f0400020181`), ebgp);
    expect(judged).toMatchObject({ action: 'treat-as-withdraw', disabled: [6], announced: ['4 198.51.100.0/24'] });
  });

  test('host bits are no part of a prefix; path identifiers are', () => {
    const judged = judgeUpdate(body(GOOD, '00000007 17c63365'.replace(' ', '')), { ...ebgp, addPath4: true });
    expect(judged).toMatchObject({ action: 'accept', announced: ['#7 4 198.51.100.0/23'] });
  });
});
