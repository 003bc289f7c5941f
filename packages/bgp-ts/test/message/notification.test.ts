import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CeaseSubcode,
  cease,
  decodeNotification,
  describeNotification,
  encodeNotification,
  encodeShutdownData,
  HEADER_OCTETS,
  hardResetReason,
  notification,
  shutdownText,
} from '../../src/index.ts';
import { hex, marker } from '../support/hex.ts';

test('decodes and encodes', () => {
  // UPDATE Message Error, Malformed AS_PATH, with data.
  const value = { code: 3, subcode: 11, data: hex('4002') };
  expect(decodeNotification(hex('03 0b 4002'))).toEqual(value);
  expect(encodeNotification(value)).toEqual(hex(`${marker} 0017 03 03 0b 4002`));
});

test('a body too short is still something to log', () => {
  expect(decodeNotification(hex(''))).toEqual({ code: 0, subcode: 0, data: hex('') });
  expect(decodeNotification(hex('06'))).toEqual({ code: 6, subcode: 0, data: hex('') });
});

test('data that does not fit is cut', () => {
  expect(encodeNotification(notification(3, 1, new Uint8Array(5000))).length).toBe(4096);
});

describe('shutdown text (RFC 9003)', () => {
  test.each([
    ['ExaBGP, Administrative Reset', '06 04 14 41646d696e697374726174697665205265736574', 'Administrative Reset'],
    ['UTF-8', '06 02 03 e28692', '→'],
    ['octets behind the text', '06 02 01 61 6263', 'a'],
    ['no text', '06 02', undefined],
    ['empty text', '06 02 00', undefined],
    ['length past the end', '06 02 05 61', undefined],
    ['not UTF-8', '06 02 02 c328', undefined],
    ['another subcode', '06 03 01 61', undefined],
    ['another code', '03 02 01 61', undefined],
  ])('%s', (_name, body, text) => {
    expect(shutdownText(decodeNotification(hex(body)))).toBe(text);
  });

  test('is cut at a character', () => {
    const data = encodeShutdownData(`${'x'.repeat(254)}é`);
    expect(data.length).toBe(255);
    expect(data[0]).toBe(254);
    expect(encodeShutdownData('é'.repeat(200))[0]).toBe(254);
    expect(encodeShutdownData('x'.repeat(300))[0]).toBe(255);
  });

  test('any text comes back whole or shortened', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 150 }), (text) => {
        const back = shutdownText(cease(CeaseSubcode.AdministrativeShutdown, text)) ?? '';
        expect(text.toWellFormed().startsWith(back)).toBe(true);
        if (new TextEncoder().encode(text).length <= 255) expect(back).toBe(text.toWellFormed());
      }),
    );
  });
});

test('hard reset (RFC 8538 §3.1)', () => {
  const value = notification(6, CeaseSubcode.HardReset, hex('06 02 02 6279'));
  expect(hardResetReason(value)).toEqual({ code: 6, subcode: 2, data: hex('02 6279') });
  expect(hardResetReason(notification(6, 9))).toBeUndefined();
  expect(hardResetReason(notification(6, 2, hex('0102')))).toBeUndefined();
});

test.each([
  ['06 02 0b 6d61696e74656e616e6365', 'Cease/Administrative Shutdown: "maintenance"'],
  ['06 02', 'Cease/Administrative Shutdown'],
  // Text that is none: the octets instead.
  ['06 02 02 c328', 'Cease/Administrative Shutdown: 0x02c328'],
  // Escape sequence, right-to-left override, C1 control: never raw into a terminal.
  ['06 04 08 1b5b6d e280ae c285', 'Cease/Administrative Reset: "\\u001b[m\\u202e\\u0085"'],
  ['06 01 0001 01 000003e8', 'Cease/Maximum Number of Prefixes Reached: ipv4-unicast limit 1000'],
  ['06 01 0001', 'Cease/Maximum Number of Prefixes Reached: 0x0001'],
  ['06 09 06 02 02 6279', 'Cease/Hard Reset: Cease/Administrative Shutdown: "by"'],
  ['06 09 04 00', 'Cease/Hard Reset: Hold Timer Expired'],
  ['06 63', 'Cease/subcode 99'],
  ['04 00', 'Hold Timer Expired'],
  ['08 00', 'Send Hold Timer Expired'],
  ['02 02 fde9', 'OPEN Message Error/Bad Peer AS: 0xfde9'],
  ['03 00', 'UPDATE Message Error'],
  ['07 01', 'ROUTE-REFRESH Message Error/Invalid Message Length'],
  ['05 02', 'Finite State Machine Error/Unexpected Message in OpenConfirm State'],
  ['2a 07', 'error 42/7'],
  [`03 0b ${'ab'.repeat(40)}`, `UPDATE Message Error/Malformed AS_PATH: 0x${'ab'.repeat(32)}... (40 octets)`],
])('%s reads %s', (body, text) => {
  expect(describeNotification(decodeNotification(hex(body)))).toBe(text);
});

test('any octets: described, and back to the same', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2 }), fc.constantFrom(undefined, 6), (octets, code) => {
      if (code !== undefined) octets[0] = code;
      const value = decodeNotification(octets);
      expect(encodeNotification(value).subarray(HEADER_OCTETS)).toEqual(octets);
      expect(describeNotification(value)).not.toBe('');
    }),
  );
});
