import type { FamilyName } from './iana.ts';

/** How a peer relates to us: another AS, the same AS, or another member AS of our confederation (RFC 5065). */
export type SessionKind = 'ebgp' | 'ibgp' | 'confed';

/** What was negotiated, as far as it changes the meaning of octets. Part of the key under which decoded attributes are cached. */
export interface SessionContext {
  /** AS numbers in AS_PATH and AGGREGATOR have 4 octets (both sides sent the capability of RFC 6793). */
  readonly fourOctetAs: boolean;
  /** Families whose received NLRI carry path identifiers (RFC 7911). */
  readonly addPathReceive: ReadonlySet<FamilyName>;
  /** Families whose sent NLRI carry path identifiers. */
  readonly addPathSend: ReadonlySet<FamilyName>;
  readonly kind: SessionKind;
  /** Our AS on this session. The codec does not read it; loop checks do. */
  readonly localAs?: number;
  /** Families that may have an IPv6 next hop although they are IPv4 (RFC 8950). */
  readonly extendedNextHop?: ReadonlySet<FamilyName>;
  /** Largest message that may be sent: 4096 (the default), or 65535 with Extended Message (RFC 8654). */
  readonly maxOctets?: number;
}

/** An eBGP session between two 4-octet AS speakers, without ADD-PATH. */
export const defaultContext: SessionContext = {
  fourOctetAs: true,
  addPathReceive: new Set(),
  addPathSend: new Set(),
  kind: 'ebgp',
};
