import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frameError, frameType, nextFrame, splitFrames } from '../src/index.ts';
import { hex, marker } from './support/hex.ts';

const keepalive = `${marker} 0013 04`;
const update = `${marker} 0017 02 0000 0000`;

test('splits a stream', () => {
  const stream = hex(`${keepalive} ${update} ${keepalive} ffff`);
  const frames = splitFrames(stream, 4096);
  expect(frames).toEqual({
    ok: true,
    value: { messages: [hex(keepalive), hex(update), hex(keepalive)], consumed: 19 + 23 + 19 },
  });
  expect(frameType(stream, 19)).toBe(2);
});

test('maxOctets below a header is a bug', () => {
  expect(() => splitFrames(new Uint8Array(0), 18)).toThrow(RangeError);
});

describe('bad headers', () => {
  test.each([
    // name, header, maximum, code, subcode, data
    ['marker', `fe${marker.slice(2)} 0013 04`, 4096, 1, 1, ''],
    ['last octet of the marker', `${marker.slice(2)}00 0013 04`, 4096, 1, 1, ''],
    ['length 18', `${marker} 0012 04`, 4096, 1, 2, '0012'],
    ['length above 4096', `${marker} 1001 02`, 4096, 1, 2, '1001'],
    ['KEEPALIVE of 20', `${marker} 0014 04`, 4096, 1, 2, '0014'],
    ['OPEN of 28', `${marker} 001c 01`, 4096, 1, 2, '001c'],
    ['OPEN above 4096 is never extended (RFC 8654 §4)', `${marker} 1001 01`, 65535, 1, 2, '1001'],
    ['UPDATE of 22', `${marker} 0016 02`, 4096, 1, 2, '0016'],
    ['NOTIFICATION of 20', `${marker} 0014 03`, 4096, 1, 2, '0014'],
    ['type 0', `${marker} 0013 00`, 4096, 1, 3, '00'],
    ['type 6', `${marker} 0013 06`, 4096, 1, 3, '06'],
    ['type 255', `${marker} 0100 ff`, 4096, 1, 3, 'ff'],
    ['length before type', `${marker} 0012 ff`, 4096, 1, 2, '0012'],
  ])('%s', (_name, header, maxOctets, code, subcode, data) => {
    const octets = hex(header);
    expect(nextFrame(octets, 0, octets.length, maxOctets)).toBe(-1);
    expect(frameError(octets, 0, octets.length, maxOctets)).toEqual({ code, subcode, data: hex(data) });
    expect(splitFrames(octets, maxOctets)).toEqual({ ok: false, error: { code, subcode, data: hex(data) } });
  });

  test('good messages before a bad header are not lost to nextFrame', () => {
    const octets = hex(`${keepalive} ${marker} 0012 04`);
    expect(nextFrame(octets, 0, octets.length, 4096)).toBe(19);
    expect(nextFrame(octets, 19, octets.length, 4096)).toBe(-1);
  });
});

test('extended messages', () => {
  const octets = new Uint8Array(65535).fill(0xff, 0, 18);
  octets[18] = 2;
  expect(nextFrame(octets, 0, octets.length, 65535)).toBe(65535);
  expect(nextFrame(octets, 0, octets.length - 1, 65535)).toBe(0);
  expect(nextFrame(octets, 0, octets.length, 4096)).toBe(-1);
});

test('a cut anywhere only delays', () => {
  const octets = hex(`${update} ${keepalive}`);
  for (let end = 0; end <= octets.length; end++) {
    const frames = splitFrames(octets.subarray(0, end), 4096);
    expect(frames.ok && frames.value.messages.length).toBe(end < 23 ? 0 : end < 42 ? 1 : 2);
  }
});

test('any octets: a message, more wanted, or an error that can be told', () => {
  const header = fc.tuple(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 8 })).map(([length, type]) => {
    const octets = new Uint8Array(24).fill(0xff);
    octets.set([length >> 8, length & 0xff, type], 16);
    return octets;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), header), fc.constantFrom(4096, 65535), (octets, max) => {
      const length = nextFrame(octets, 0, octets.length, max);
      if (length > 0) expect(length).toBeGreaterThanOrEqual(19);
      if (length < 0) expect([1, 2, 3]).toContain(frameError(octets, 0, octets.length, max).subcode);
    }),
  );
});
