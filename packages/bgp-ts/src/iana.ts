import type { AfiOf, SafiOf } from './family.ts';
import type { Brand } from './result.ts';

/** The families this package knows the NLRI of; others are kept as octets. */
export type FamilyName = 'ipv4-unicast' | 'ipv6-unicast';

/** One AFI/SAFI pair. */
export interface Family<F extends FamilyName = FamilyName> {
  readonly name: F;
  readonly afi: AfiOf<F>;
  readonly safi: SafiOf<F>;
  readonly addressOctets: 4 | 16;
}

/** Address Family Identifiers (RFC 4760; IANA "Address Family Numbers"). */
export const Afi = { Ipv4: 1, Ipv6: 2, L2vpn: 25, LinkState: 16388 } as const;
export type Afi = (typeof Afi)[keyof typeof Afi];

/** Subsequent Address Family Identifiers (RFC 4760). */
export const Safi = { Unicast: 1, Multicast: 2, LabeledUnicast: 4, Evpn: 70, MplsVpn: 128, FlowSpec: 133 } as const;
export type Safi = (typeof Safi)[keyof typeof Safi];

/** The families by name. */
export const Families: { readonly [F in FamilyName]: Family<F> } = {
  'ipv4-unicast': { name: 'ipv4-unicast', afi: Afi.Ipv4, safi: Safi.Unicast, addressOctets: 4 },
  'ipv6-unicast': { name: 'ipv6-unicast', afi: Afi.Ipv6, safi: Safi.Unicast, addressOctets: 16 },
};

/** The family of an AFI/SAFI pair, `undefined` where the NLRI are not known here. */
export function familyOf(afi: number, safi: number): FamilyName | undefined {
  if (safi !== Safi.Unicast) return undefined;
  if (afi === Afi.Ipv4) return 'ipv4-unicast';
  return afi === Afi.Ipv6 ? 'ipv6-unicast' : undefined;
}

/** `ipv4-unicast`, or `afi 25 safi 70` for what has no name here. */
export function formatFamily(afi: number, safi: number): string {
  return familyOf(afi, safi) ?? `afi ${afi} safi ${safi}`;
}

/** BGP message types (RFC 4271 §4.1, RFC 2918). */
export const MessageType = { Open: 1, Update: 2, Notification: 3, Keepalive: 4, RouteRefresh: 5 } as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** NOTIFICATION error codes (RFC 4271 §4.5, RFC 7313 §5, RFC 9687). */
export const ErrorCode = {
  MessageHeader: 1,
  OpenMessage: 2,
  UpdateMessage: 3,
  HoldTimerExpired: 4,
  FiniteStateMachine: 5,
  Cease: 6,
  RouteRefresh: 7,
  SendHoldTimerExpired: 8,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Subcodes of Message Header Error (RFC 4271 §6.1). */
export const MessageHeaderSubcode = {
  Unspecific: 0,
  ConnectionNotSynchronized: 1,
  BadMessageLength: 2,
  BadMessageType: 3,
} as const;
export type MessageHeaderSubcode = (typeof MessageHeaderSubcode)[keyof typeof MessageHeaderSubcode];

/** Subcodes of OPEN Message Error (RFC 4271 §6.2, RFC 5492 §5, RFC 9234 §4.2); 5 is deprecated. */
export const OpenSubcode = {
  Unspecific: 0,
  UnsupportedVersionNumber: 1,
  BadPeerAs: 2,
  BadBgpIdentifier: 3,
  UnsupportedOptionalParameter: 4,
  UnacceptableHoldTime: 6,
  UnsupportedCapability: 7,
  RoleMismatch: 11,
} as const;
export type OpenSubcode = (typeof OpenSubcode)[keyof typeof OpenSubcode];

/** Subcodes of UPDATE Message Error (RFC 4271 §6.3); 7 is deprecated. */
export const UpdateSubcode = {
  Unspecific: 0,
  MalformedAttributeList: 1,
  UnrecognizedWellKnownAttribute: 2,
  MissingWellKnownAttribute: 3,
  AttributeFlagsError: 4,
  AttributeLengthError: 5,
  InvalidOrigin: 6,
  InvalidNextHop: 8,
  OptionalAttributeError: 9,
  InvalidNetworkField: 10,
  MalformedAsPath: 11,
} as const;
export type UpdateSubcode = (typeof UpdateSubcode)[keyof typeof UpdateSubcode];

/** Subcodes of Finite State Machine Error (RFC 6608). */
export const FsmSubcode = {
  Unspecific: 0,
  UnexpectedMessageInOpenSent: 1,
  UnexpectedMessageInOpenConfirm: 2,
  UnexpectedMessageInEstablished: 3,
} as const;
export type FsmSubcode = (typeof FsmSubcode)[keyof typeof FsmSubcode];

/** Subcodes of Cease (RFC 4486, RFC 8538, RFC 9384); 2 and 4 may carry a text (RFC 9003). */
export const CeaseSubcode = {
  Unspecific: 0,
  MaximumPrefixesReached: 1,
  AdministrativeShutdown: 2,
  PeerDeconfigured: 3,
  AdministrativeReset: 4,
  ConnectionRejected: 5,
  OtherConfigurationChange: 6,
  ConnectionCollisionResolution: 7,
  OutOfResources: 8,
  HardReset: 9,
  BfdDown: 10,
} as const;
export type CeaseSubcode = (typeof CeaseSubcode)[keyof typeof CeaseSubcode];

/** Subcodes of ROUTE-REFRESH Message Error (RFC 7313 §5). */
export const RouteRefreshSubcode = { InvalidMessageLength: 1 } as const;
export type RouteRefreshSubcode = (typeof RouteRefreshSubcode)[keyof typeof RouteRefreshSubcode];

/** Path attribute type codes. */
export const AttributeCode = {
  Origin: 1,
  AsPath: 2,
  NextHop: 3,
  MultiExitDisc: 4,
  LocalPref: 5,
  AtomicAggregate: 6,
  Aggregator: 7,
  Communities: 8,
  OriginatorId: 9,
  ClusterList: 10,
  MpReachNlri: 14,
  MpUnreachNlri: 15,
  ExtendedCommunities: 16,
  As4Path: 17,
  As4Aggregator: 18,
  Aigp: 26,
  LargeCommunities: 32,
  OnlyToCustomer: 35,
} as const;
export type AttributeCode = (typeof AttributeCode)[keyof typeof AttributeCode];

/** Path attribute flags (RFC 4271 §4.3). */
export const AttributeFlag = { Optional: 0x80, Transitive: 0x40, Partial: 0x20, ExtendedLength: 0x10 } as const;
export type AttributeFlag = (typeof AttributeFlag)[keyof typeof AttributeFlag];

/** Capability codes (RFC 5492 registry). */
export const CapabilityCode = {
  Multiprotocol: 1,
  RouteRefresh: 2,
  ExtendedNextHop: 5,
  ExtendedMessage: 6,
  Role: 9,
  GracefulRestart: 64,
  FourOctetAs: 65,
  AddPath: 69,
  EnhancedRouteRefresh: 70,
  LongLivedGracefulRestart: 71,
  Fqdn: 73,
  SoftwareVersion: 75,
} as const;
export type CapabilityCode = (typeof CapabilityCode)[keyof typeof CapabilityCode];

/** Values of ORIGIN (RFC 4271 §5.1.1). */
export const Origin = { Igp: 0, Egp: 1, Incomplete: 2 } as const;
export type Origin = (typeof Origin)[keyof typeof Origin];

/** BGP roles (RFC 9234 §4.1). */
export const Role = { Provider: 0, RouteServer: 1, RouteServerClient: 2, Customer: 3, Peer: 4 } as const;
export type Role = (typeof Role)[keyof typeof Role];

/** Well-known communities (RFC 1997, 3765, 7611, 7999, 8326, 9494). */
export const WellKnownCommunity = {
  GracefulShutdown: 0xffff0000,
  AcceptOwn: 0xffff0001,
  LlgrStale: 0xffff0006,
  NoLlgr: 0xffff0007,
  Blackhole: 0xffff029a,
  NoExport: 0xffffff01,
  NoAdvertise: 0xffffff02,
  NoExportSubconfed: 0xffffff03,
  NoPeer: 0xffffff04,
} as const;
export type WellKnownCommunity = (typeof WellKnownCommunity)[keyof typeof WellKnownCommunity];

/** An AS number, 0 to 2^32-1 (RFC 6793). */
export type Asn = Brand<number, 'Asn'>;

/** Stands for an AS number above 65535 where only two octets fit (RFC 6793 §9). */
export const AS_TRANS = 23456 as Asn;

/**
 * A checked AS number.
 * @throws RangeError unless `value` is an integer from 0 to 2^32-1
 */
export function asn(value: number): Asn {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new RangeError(`AS number ${value}: must be an integer from 0 to 4294967295`);
  }
  return value as Asn;
}

/** Reads `65000` or asdot `1.10` (RFC 5396); `undefined` for anything else. */
export function parseAsn(text: string): Asn | undefined {
  const match = /^(\d{1,10})(?:\.(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const first = Number(match[1]);
  if (match[2] === undefined) return first <= 0xffffffff ? (first as Asn) : undefined;
  const second = Number(match[2]);
  return first <= 0xffff && second <= 0xffff ? ((first * 0x10000 + second) as Asn) : undefined;
}
