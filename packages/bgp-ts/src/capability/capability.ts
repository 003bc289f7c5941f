import type { Role } from '../iana.ts';

/** An AFI/SAFI pair as it stands in a capability; need not be a family this package knows. */
export interface AfiSafi {
  readonly afi: number;
  readonly safi: number;
}

/** One capability of an OPEN (RFC 5492), told apart by `type`. */
export type Capability =
  | MultiprotocolCapability
  | { readonly type: 'route-refresh' }
  | ExtendedNextHopCapability
  | { readonly type: 'extended-message' }
  | RoleCapability
  | GracefulRestartCapability
  | FourOctetAsCapability
  | AddPathCapability
  | { readonly type: 'enhanced-route-refresh' }
  | LongLivedGracefulRestartCapability
  | FqdnCapability
  | SoftwareVersionCapability
  | UnknownCapability;

/** A family the speaker can carry (RFC 4760 §8). */
export interface MultiprotocolCapability extends AfiSafi {
  readonly type: 'multiprotocol';
}

/** IPv4 routes with IPv6 next hops (RFC 8950 §4). */
export interface ExtendedNextHopCapability {
  readonly type: 'extended-next-hop';
  readonly entries: readonly (AfiSafi & { readonly nextHopAfi: number })[];
}

/** BGP Role (RFC 9234 §4.1). Numbers without a name in `Role` are kept. */
export interface RoleCapability {
  readonly type: 'role';
  readonly role: Role | number;
}

/** Graceful Restart (RFC 4724 §3, RFC 8538 §2). */
export interface GracefulRestartCapability {
  readonly type: 'graceful-restart';
  /** R bit: the speaker has just restarted. */
  readonly restarted: boolean;
  /** N bit: also on a NOTIFICATION (RFC 8538). */
  readonly notifications: boolean;
  /** 0 to 4095. */
  readonly restartSeconds: number;
  /** `forwarding` is the F bit: forwarding state was kept. */
  readonly families: readonly (AfiSafi & { readonly forwarding: boolean })[];
}

/** The speaker's AS number, 4 octets (RFC 6793 §3). */
export interface FourOctetAsCapability {
  readonly type: 'four-octet-as';
  readonly asn: number;
}

/** ADD-PATH (RFC 7911 §4): 1 can receive, 2 can send, 3 both. */
export interface AddPathCapability {
  readonly type: 'add-path';
  readonly entries: readonly (AfiSafi & { readonly sendReceive: 1 | 2 | 3 })[];
}

/** Long-Lived Graceful Restart (RFC 9494 §3.1). */
export interface LongLivedGracefulRestartCapability {
  readonly type: 'long-lived-graceful-restart';
  /** `staleSeconds` is 0 to 2^24-1. */
  readonly families: readonly (AfiSafi & { readonly forwarding: boolean; readonly staleSeconds: number })[];
}

/** Host and domain name (draft-walton-bgp-hostname-capability). */
export interface FqdnCapability {
  readonly type: 'fqdn';
  readonly hostName: string;
  readonly domainName: string;
}

/** Software version, for people (draft-abraitis-bgp-version-capability). */
export interface SoftwareVersionCapability {
  readonly type: 'software-version';
  readonly version: string;
}

/** Any other capability, kept octet for octet. */
export interface UnknownCapability {
  readonly type: 'unknown';
  readonly code: number;
  readonly value: Uint8Array;
}
