import type { MpReach, MpUnreach, PathAttributes } from '../attribute/attributes.ts';
import type { Capability } from '../capability/capability.ts';
import type { AttributeProblem, Notification } from '../errors.ts';
import type { FamilyName } from '../iana.ts';
import type { IpAddress, Ipv4Address } from '../ip.ts';
import type { NlriEntry } from '../nlri/nlri.ts';

/** OPEN (RFC 4271 §4.2). */
export interface OpenMessage {
  /** Always 4. */
  readonly version: number;
  /** The two-octet field: our AS, or AS_TRANS where that does not fit (see the capability `four-octet-as`). */
  readonly myAs: number;
  /** 0 (no keepalives), or 3 to 65535. */
  readonly holdSeconds: number;
  /** BGP Identifier, never 0.0.0.0. */
  readonly routerId: IpAddress;
  /** In the order of the message, of all Capabilities parameters together. */
  readonly capabilities: readonly Capability[];
}

/** UPDATE (RFC 4271 §4.3), with what is wrong with it as far as the session survives. */
export interface UpdateMessage {
  /** The Withdrawn Routes field (IPv4). */
  readonly withdrawn: readonly NlriEntry<Ipv4Address>[];
  readonly attributes: PathAttributes;
  /** The NLRI field (IPv4). */
  readonly nlri: readonly NlriEntry<Ipv4Address>[];
  readonly mpReach?: MpReach;
  readonly mpUnreach?: MpUnreach;
  /** If any asks for treat-as-withdraw, `nlri` and `mpReach.nlri` are to be handled as withdrawn. */
  readonly problems: readonly AttributeProblem[];
  /** Set when the message is the End-of-RIB marker of this family (RFC 4724 §2). */
  readonly endOfRib?: FamilyName;
}

/** What `encodeUpdate` takes; absent parts are empty. */
export interface UpdateInput {
  readonly withdrawn?: readonly NlriEntry<Ipv4Address>[];
  readonly attributes?: PathAttributes;
  readonly nlri?: readonly NlriEntry<Ipv4Address>[];
  readonly mpReach?: MpReach;
  readonly mpUnreach?: MpUnreach;
}

/** ROUTE-REFRESH (RFC 2918, RFC 7313 §3.2). */
export interface RouteRefresh {
  readonly afi: number;
  readonly safi: number;
  /** 0: send everything again; 1, 2: beginning and end of the answer (Enhanced Route Refresh). */
  readonly subtype: number;
  /** Octets behind the fixed part: outbound route filters (RFC 5291), which this package does not read; absent if there are none. */
  readonly filters?: Uint8Array;
}

/** Any message, told apart by `type`. */
export type BgpMessage =
  | { readonly type: 'open'; readonly open: OpenMessage }
  | { readonly type: 'update'; readonly update: UpdateMessage }
  | { readonly type: 'notification'; readonly notification: Notification }
  | { readonly type: 'keepalive' }
  | { readonly type: 'route-refresh'; readonly routeRefresh: RouteRefresh };
