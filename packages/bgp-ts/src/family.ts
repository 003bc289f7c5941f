import type { FamilyName } from './iana.ts';
import type { IpAddress, Ipv4Address, Ipv6Address } from './ip.ts';

/** What belongs together, so that a wrong pairing does not compile: a family, its AFI and SAFI, its prefixes and its next hops. */
interface FamilyTypes {
  readonly 'ipv4-unicast': {
    readonly afi: 1;
    readonly safi: 1;
    readonly address: Ipv4Address;
    /** IPv6 where the session allows it (RFC 8950). */
    readonly nextHop: IpAddress;
  };
  readonly 'ipv6-unicast': {
    readonly afi: 2;
    readonly safi: 1;
    readonly address: Ipv6Address;
    readonly nextHop: Ipv6Address;
  };
}

/** AFI of a family, as a literal type. */
export type AfiOf<F extends FamilyName> = FamilyTypes[F]['afi'];

/** SAFI of a family, as a literal type. */
export type SafiOf<F extends FamilyName> = FamilyTypes[F]['safi'];

/** Addresses of the prefixes of a family. */
export type AddressOf<F extends FamilyName> = FamilyTypes[F]['address'];

/** Addresses that can be next hops of a family. */
export type NextHopOf<F extends FamilyName> = FamilyTypes[F]['nextHop'];
