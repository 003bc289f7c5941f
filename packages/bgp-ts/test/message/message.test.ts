import { describe, expect, test } from 'vitest';
import {
  type BgpMessage,
  decodeKeepalive,
  decodeMessage,
  decodeRouteRefresh,
  encodeKeepalive,
  encodeMessage,
  encodeRouteRefresh,
  HEADER_OCTETS,
  ip,
} from '../../src/index.ts';
import { ebgp } from '../support/contexts.ts';
import { hex, marker } from '../support/hex.ts';

test('KEEPALIVE', () => {
  expect(encodeKeepalive()).toEqual(hex(`${marker} 0013 04`));
  expect(decodeKeepalive(hex(''))).toEqual({ ok: true, value: undefined });
  expect(decodeKeepalive(hex('00'))).toEqual({ ok: false, error: { code: 1, subcode: 2, data: hex('0014') } });
});

describe('ROUTE-REFRESH', () => {
  test.each([
    // AFI, subtype, SAFI
    ['a request', '0001 00 01', { afi: 1, safi: 1, subtype: 0 }],
    ['BoRR', '0002 01 01', { afi: 2, safi: 1, subtype: 1 }],
    ['EoRR', '0002 02 01', { afi: 2, safi: 1, subtype: 2 }],
    ['an unknown subtype, to be ignored by the session', '0005 08 0a', { afi: 5, safi: 10, subtype: 8 }],
    ['filters (RFC 5291)', '0001 00 01  01 40 0000', { afi: 1, safi: 1, subtype: 0, filters: hex('01400000') }],
  ])('%s', (_name, body, value) => {
    expect(decodeRouteRefresh(hex(body))).toEqual({ ok: true, value });
    expect(encodeRouteRefresh(value).subarray(HEADER_OCTETS)).toEqual(hex(body));
  });

  test.each([
    ['nothing', ''],
    ['3 octets', '0001 00'],
    ['BoRR of 5 octets', '0001 01 01 00'],
    ['EoRR of 5 octets', '0001 02 01 00'],
  ])('length error with the whole message as data (RFC 7313 §5): %s', (_name, body) => {
    const octets = hex(body);
    const length = (HEADER_OCTETS + octets.length).toString(16).padStart(4, '0');
    const data = hex(`${marker} ${length} 05 ${body}`);
    expect(decodeRouteRefresh(octets)).toEqual({ ok: false, error: { code: 7, subcode: 1, data } });
  });
});

describe('decodeMessage and encodeMessage', () => {
  test.each<BgpMessage>([
    { type: 'open', open: { version: 4, myAs: 1, holdSeconds: 90, routerId: ip('192.0.2.1'), capabilities: [] } },
    { type: 'update', update: { withdrawn: [], attributes: {}, nlri: [], problems: [], endOfRib: 'ipv4-unicast' } },
    { type: 'notification', notification: { code: 6, subcode: 2, data: hex('') } },
    { type: 'keepalive' },
    { type: 'route-refresh', routeRefresh: { afi: 1, safi: 1, subtype: 0 } },
  ])('$type', (message) => {
    const octets = encodeMessage(message, ebgp);
    const type = octets[HEADER_OCTETS - 1] as number;
    expect(decodeMessage(type, octets.subarray(HEADER_OCTETS), ebgp)).toEqual({ ok: true, value: message });
  });

  test('unknown types', () => {
    expect(decodeMessage(9, hex(''), ebgp)).toEqual({ ok: false, error: { code: 1, subcode: 3, data: hex('09') } });
  });
});
