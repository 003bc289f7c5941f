import {
  CeaseSubcode,
  ErrorCode,
  FsmSubcode,
  MessageHeaderSubcode,
  OpenSubcode,
  RouteRefreshSubcode,
  UpdateSubcode,
} from '../iana.ts';

interface CodeNames {
  readonly name: string;
  readonly subcodes: Readonly<Record<number, string>>;
}

const messageHeader: Record<MessageHeaderSubcode, string> = {
  [MessageHeaderSubcode.Unspecific]: 'Unspecific',
  [MessageHeaderSubcode.ConnectionNotSynchronized]: 'Connection Not Synchronized',
  [MessageHeaderSubcode.BadMessageLength]: 'Bad Message Length',
  [MessageHeaderSubcode.BadMessageType]: 'Bad Message Type',
};

const open: Record<OpenSubcode, string> = {
  [OpenSubcode.Unspecific]: 'Unspecific',
  [OpenSubcode.UnsupportedVersionNumber]: 'Unsupported Version Number',
  [OpenSubcode.BadPeerAs]: 'Bad Peer AS',
  [OpenSubcode.BadBgpIdentifier]: 'Bad BGP Identifier',
  [OpenSubcode.UnsupportedOptionalParameter]: 'Unsupported Optional Parameter',
  [OpenSubcode.UnacceptableHoldTime]: 'Unacceptable Hold Time',
  [OpenSubcode.UnsupportedCapability]: 'Unsupported Capability',
  [OpenSubcode.RoleMismatch]: 'Role Mismatch',
};

const update: Record<UpdateSubcode, string> = {
  [UpdateSubcode.Unspecific]: 'Unspecific',
  [UpdateSubcode.MalformedAttributeList]: 'Malformed Attribute List',
  [UpdateSubcode.UnrecognizedWellKnownAttribute]: 'Unrecognized Well-known Attribute',
  [UpdateSubcode.MissingWellKnownAttribute]: 'Missing Well-known Attribute',
  [UpdateSubcode.AttributeFlagsError]: 'Attribute Flags Error',
  [UpdateSubcode.AttributeLengthError]: 'Attribute Length Error',
  [UpdateSubcode.InvalidOrigin]: 'Invalid ORIGIN Attribute',
  [UpdateSubcode.InvalidNextHop]: 'Invalid NEXT_HOP Attribute',
  [UpdateSubcode.OptionalAttributeError]: 'Optional Attribute Error',
  [UpdateSubcode.InvalidNetworkField]: 'Invalid Network Field',
  [UpdateSubcode.MalformedAsPath]: 'Malformed AS_PATH',
};

const fsm: Record<FsmSubcode, string> = {
  [FsmSubcode.Unspecific]: 'Unspecific',
  [FsmSubcode.UnexpectedMessageInOpenSent]: 'Unexpected Message in OpenSent State',
  [FsmSubcode.UnexpectedMessageInOpenConfirm]: 'Unexpected Message in OpenConfirm State',
  [FsmSubcode.UnexpectedMessageInEstablished]: 'Unexpected Message in Established State',
};

const ceaseNames: Record<CeaseSubcode, string> = {
  [CeaseSubcode.Unspecific]: 'Unspecific',
  [CeaseSubcode.MaximumPrefixesReached]: 'Maximum Number of Prefixes Reached',
  [CeaseSubcode.AdministrativeShutdown]: 'Administrative Shutdown',
  [CeaseSubcode.PeerDeconfigured]: 'Peer De-configured',
  [CeaseSubcode.AdministrativeReset]: 'Administrative Reset',
  [CeaseSubcode.ConnectionRejected]: 'Connection Rejected',
  [CeaseSubcode.OtherConfigurationChange]: 'Other Configuration Change',
  [CeaseSubcode.ConnectionCollisionResolution]: 'Connection Collision Resolution',
  [CeaseSubcode.OutOfResources]: 'Out of Resources',
  [CeaseSubcode.HardReset]: 'Hard Reset',
  [CeaseSubcode.BfdDown]: 'BFD Down',
};

const routeRefresh: Record<RouteRefreshSubcode, string> = {
  [RouteRefreshSubcode.InvalidMessageLength]: 'Invalid Message Length',
};

const codes: Record<ErrorCode, CodeNames> = {
  [ErrorCode.MessageHeader]: { name: 'Message Header Error', subcodes: messageHeader },
  [ErrorCode.OpenMessage]: { name: 'OPEN Message Error', subcodes: open },
  [ErrorCode.UpdateMessage]: { name: 'UPDATE Message Error', subcodes: update },
  [ErrorCode.HoldTimerExpired]: { name: 'Hold Timer Expired', subcodes: {} },
  [ErrorCode.FiniteStateMachine]: { name: 'Finite State Machine Error', subcodes: fsm },
  [ErrorCode.Cease]: { name: 'Cease', subcodes: ceaseNames },
  [ErrorCode.RouteRefresh]: { name: 'ROUTE-REFRESH Message Error', subcodes: routeRefresh },
  [ErrorCode.SendHoldTimerExpired]: { name: 'Send Hold Timer Expired', subcodes: {} },
};

/** The registry's words for an error: `Cease/Hard Reset`, `Hold Timer Expired`, `error 42/7` for what has none. */
export function nameOfError(code: number, subcode: number): string {
  const names = (codes as Readonly<Record<number, CodeNames>>)[code];
  if (!names) return `error ${code}/${subcode}`;
  const name = names.subcodes[subcode];
  if (name !== undefined) return subcode === 0 ? names.name : `${names.name}/${name}`;
  return subcode === 0 ? names.name : `${names.name}/subcode ${subcode}`;
}
