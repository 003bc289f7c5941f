import {
  defaultContext,
  encodeUpdate,
  Families,
  fromHex,
  ip,
  Origin,
  parseCommunity,
  prefix,
  type SessionContext,
  toHex,
} from 'bgp-ts';

// What OPEN messages agreed on: here 4-octet AS numbers, and path identifiers for the IPv6 routes that we send.
const session: SessionContext = { ...defaultContext, addPathSend: new Set(['ipv6-unicast']) };

const ipv4 = encodeUpdate(
  {
    attributes: {
      origin: Origin.Igp,
      asPath: [{ type: 'sequence', asns: [64512, 4200000001] }],
      nextHop: ip('192.0.2.1'),
      communities: [parseCommunity('64512:80') ?? 0, parseCommunity('no-export') ?? 0],
    },
    nlri: [{ prefix: prefix('198.51.100.0/24') }, { prefix: prefix('203.0.113.0/24') }],
  },
  session,
);
console.log(`IPv4, ${ipv4.length} octets: ${toHex(ipv4)}`);

// An IPv4 prefix or next hop in here does not compile.
const ipv6 = encodeUpdate(
  {
    attributes: { origin: Origin.Igp, asPath: [{ type: 'sequence', asns: [64512] }] },
    mpReach: {
      ...Families['ipv6-unicast'],
      family: 'ipv6-unicast',
      nextHop: ip('2001:db8::1'),
      nlri: [{ prefix: prefix('2001:db8:1::/48'), pathId: 7 }],
    },
  },
  session,
);
console.log(`IPv6, ${ipv6.length} octets: ${toHex(ipv6)}`);

try {
  const prefixes = Array.from({ length: 2000 }, () => ({ prefix: prefix('198.51.100.0/24') }));
  encodeUpdate({ withdrawn: prefixes }, session);
} catch (error) {
  console.log(`${error}`); // what cannot be written is an error of the caller
}
console.log(toHex(encodeUpdate({}, session)) === toHex(fromHex(`${'ff'.repeat(16)}0017 02 0000 0000`))); // End-of-RIB
