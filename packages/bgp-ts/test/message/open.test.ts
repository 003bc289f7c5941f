import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeOpen, encodeOpen, HEADER_OCTETS, ip, type OpenMessage } from '../../src/index.ts';
import { openMessage } from '../support/arbitrary.ts';
import { hex, marker } from '../support/hex.ts';

// version, my AS, hold time, identifier
const fixed = '04 fde8 005a c0000201';
const open: OpenMessage = { version: 4, myAs: 65000, holdSeconds: 90, routerId: ip('192.0.2.1'), capabilities: [] };

describe('valid', () => {
  test.each<[string, string, OpenMessage]>([
    ['without parameters', `${fixed} 00`, open],
    ['hold time 0', '04 fde8 0000 c0000201 00', { ...open, holdSeconds: 0 }],
    ['hold time 3', '04 fde8 0003 c0000201 00', { ...open, holdSeconds: 3 }],
    [
      'one parameter with two capabilities',
      `${fixed} 0a  02 08  01 04 0001 00 01  02 00`,
      { ...open, capabilities: [{ type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'route-refresh' }] },
    ],
  ])('%s', (_name, body, value) => {
    expect(decodeOpen(hex(body))).toEqual({ ok: true, value });
    const octets = hex(body);
    const header = hex(`${marker} ${(HEADER_OCTETS + octets.length).toString(16).padStart(4, '0')} 01`);
    expect(encodeOpen(value)).toEqual(Uint8Array.of(...header, ...octets));
  });

  test('a parameter per capability, as old speakers send', () => {
    expect(decodeOpen(hex(`${fixed} 0c  02 06 01 04 0001 00 01  02 02 02 00`))).toEqual({
      ok: true,
      value: { ...open, capabilities: [{ type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'route-refresh' }] },
    });
  });

  test.each([
    ['as RFC 9072 §2 writes it', 'ff ff 0005  02 0002 02 00'],
    ['with another first length, which is to be ignored', '07 ff 0005  02 0002 02 00'],
  ])('extended parameters %s', (_name, parameters) => {
    expect(decodeOpen(hex(`${fixed} ${parameters}`))).toEqual({
      ok: true,
      value: { ...open, capabilities: [{ type: 'route-refresh' }] },
    });
  });

  test('255 octets of ordinary parameters are not the extended form', () => {
    const capability = { type: 'unknown', code: 200, value: new Uint8Array(251) } as const;
    const octets = encodeOpen({ ...open, capabilities: [capability] });
    expect(octets.length).toBe(HEADER_OCTETS + 10 + 255);
    expect(decodeOpen(octets.subarray(HEADER_OCTETS))).toEqual({
      ok: true,
      value: { ...open, capabilities: [capability] },
    });
  });

  test('capabilities above 253 octets take the extended form', () => {
    const capability = { type: 'unknown', code: 200, value: new Uint8Array(200) } as const;
    const value = { ...open, capabilities: [capability, capability] };
    const octets = encodeOpen(value);
    // Length 255, type 255, 407 octets of parameters: one of type 2 with 404 octets.
    expect(octets.subarray(HEADER_OCTETS + 9, HEADER_OCTETS + 16)).toEqual(hex('ff ff 0197 02 0194'));
    expect(decodeOpen(octets.subarray(HEADER_OCTETS))).toEqual({ ok: true, value });
  });
});

test('the extended form on request, also for few capabilities (RFC 9072 §2)', () => {
  const value = { ...open, capabilities: [{ type: 'route-refresh' } as const] };
  const octets = encodeOpen(value, { extendedParameters: true });
  expect(octets.subarray(HEADER_OCTETS + 9)).toEqual(hex('ff ff 0005 02 0002 02 00'));
  expect(decodeOpen(octets.subarray(HEADER_OCTETS))).toEqual({ ok: true, value });
});

describe('refused (RFC 4271 §6.2)', () => {
  test.each([
    ['version 3', '03 fde8 005a c0000201 00', 1, '0004'],
    ['version 5', '05 fde8 005a c0000201 00', 1, '0004'],
    ['AS 0 (RFC 7607 §2)', '04 0000 005a c0000201 00', 2, ''],
    ['AS 0 in the capability', `${fixed} 08  02 06 41 04 00000000`, 2, ''],
    ['identifier 0', '04 fde8 005a 00000000 00', 3, ''],
    ['hold time 1', '04 fde8 0001 c0000201 00', 6, ''],
    ['hold time 2', '04 fde8 0002 c0000201 00', 6, ''],
    ['authentication parameter', `${fixed} 04  01 02 0000`, 4, ''],
    ['unknown parameter', `${fixed} 02  63 00`, 4, ''],
    ['unknown extended parameter', `${fixed} ff ff 0003  63 0000`, 4, ''],
    ['parameters shorter than announced', `${fixed} 03 02 00`, 0, ''],
    ['octets behind the parameters', `${fixed} 02 02 00 00`, 0, ''],
    ['parameter past the end', `${fixed} 03 02 04 02`, 0, ''],
    ['parameter without length', `${fixed} 01 02`, 0, ''],
    ['extended length past the end', `${fixed} ff ff 0009 02 0002 02 00`, 0, ''],
    ['extended form cut short', `${fixed} ff ff 00`, 0, ''],
    ['malformed capability', `${fixed} 05  02 03 41 01 00`, 0, ''],
    ['cut short', '04 fde8 005a c00002', 0, ''],
    ['empty', '', 0, ''],
  ])('%s', (_name, body, subcode, data) => {
    expect(decodeOpen(hex(body))).toEqual({ ok: false, error: { code: 2, subcode, data: hex(data) } });
  });
});

test('round trip', () => {
  fc.assert(
    fc.property(openMessage, (value) => {
      const octets = encodeOpen(value);
      expect(decodeOpen(octets.subarray(HEADER_OCTETS))).toEqual({ ok: true, value });
      for (let n = 0; n < octets.length - HEADER_OCTETS; n++) {
        expect(decodeOpen(octets.subarray(HEADER_OCTETS, HEADER_OCTETS + n)).ok).toBe(false);
      }
    }),
    { numRuns: 50 },
  );
});

test('any octets never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.boolean(), (octets, looksRight) => {
      if (looksRight && octets.length > 0) octets[0] = 4;
      decodeOpen(octets);
    }),
  );
});
