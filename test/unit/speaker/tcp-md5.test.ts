import { expect, test } from 'vitest';
import { type Md5Drops, parseMd5Drops, readMd5Drops, silenceReason } from '../../../speaker/tcp-md5.ts';

const none: Md5Drops = { unsigned: 0, signed: 0, mismatched: 0 };

test('the counters are found by name, wherever they stand', () => {
  const text = [
    'TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected Other TCPMD5Failure',
    'TcpExt: 7 1 2 9 3',
    'IpExt: InNoRoutes TCPMD5Failure',
    'IpExt: 5 5',
    '',
  ].join('\n');
  expect(parseMd5Drops(text)).toEqual({ unsigned: 1, signed: 2, mismatched: 3 });
});

test.each([
  ['nothing at all', ''],
  ['a kernel without these counters', 'TcpExt: SyncookiesSent\nTcpExt: 7\n'],
  ['names without values', 'TcpExt: TCPMD5Failure\n'],
])('%s counts as zero', (_, text) => {
  expect(parseMd5Drops(text)).toEqual(none);
});

test('this kernel shows them', () => {
  for (const value of Object.values(readMd5Drops())) expect(value).toBeGreaterThanOrEqual(0);
});

test.each<[string, boolean, Partial<Md5Drops>, RegExp]>([
  ['a key here, another there', true, { mismatched: 1 }, /another TCP MD5 key .* differ/],
  ['a key here, none there', true, { unsigned: 1 }, /without a TCP MD5 key/],
  ['a key here, nothing heard', true, {}, /not reachable, or its TCP MD5 key differs/],
  ['no key here, one there', false, { signed: 1 }, /none is configured here/],
  ['no keys, drops of somebody else', false, { mismatched: 1, unsigned: 1 }, /^$/],
  ['no keys, nothing heard', false, {}, /^$/],
])('%s', (_, hasKey, after, words) => {
  expect(silenceReason(hasKey, none, { ...none, ...after })).toMatch(words);
});

test('drops from before the attempt say nothing', () => {
  const before = { unsigned: 4, signed: 4, mismatched: 4 };
  expect(silenceReason(false, before, before)).toBe('');
  expect(silenceReason(true, before, before)).toMatch(/not reachable/);
});
