import type { FamilyName } from 'bgp-ts';
import type { AdjRibIn } from './adj-rib-in.ts';
import type { RibOut } from './adj-rib-out.ts';
import type { SourceOwner } from './sources.ts';
import type { RibPeerSettings, RibSession } from './types.ts';

/** A peer inside the RIB: opaque outside `rib/` and `speaker/update-*.ts` but for its name and settings. */
export interface PeerHandle {
  readonly name: string;
  readonly settings: RibPeerSettings;
}

/** A peer and, while its session is up, what belongs to that. */
export class RibPeer implements PeerHandle, SourceOwner {
  readonly name: string;
  settings: RibPeerSettings;
  session: RibSession | undefined;
  /** Number of this session in `Sources`; -1 while the session is down. */
  source: number;
  readonly ribIn: Map<FamilyName, AdjRibIn>;
  readonly ribOut: Map<FamilyName, RibOut>;
  /** Families of this session of which nothing is used (RFC 7606 §2). */
  readonly disabled: Set<FamilyName>;

  constructor(settings: RibPeerSettings) {
    this.name = settings.name;
    this.settings = inOneShape(settings);
    this.session = undefined;
    this.source = -1;
    this.ribIn = new Map();
    this.ribOut = new Map();
    this.disabled = new Set();
  }
}

/** Every setting of a peer, so that none is forgotten below. */
const settingNames: Readonly<Record<keyof RibPeerSettings, true>> = {
  name: true,
  address: true,
  kind: true,
  remoteAs: true,
  localAs: true,
  importPolicy: true,
  exportPolicy: true,
  routeReflectorClient: true,
  nextHop: true,
  nextHopSelf: true,
  sharedSubnets: true,
  prefixLimit: true,
  addPathMax: true,
  exportOnlyLocal: true,
  allowOwnAs: true,
  enforceFirstAs: true,
  exportMed: true,
  isConfederationMember: true,
  prependLocalAsIn: true,
  keepOwnAs: true,
  asOverride: true,
  removePrivateAs: true,
  role: true,
  gracefulShutdown: true,
  honoursGracefulShutdown: true,
  aigp: true,
  allowsAsSets: true,
  clusterId: true,
  clientToClient: true,
  nextHopOf: true,
  nextHopIn: true,
  linkBandwidth: true,
};

/**
 * The same settings with every key there, in one order: what asks for them in the path of every route then meets one shape of object,
 * whichever peers set what, and is compiled once.
 */
export function inOneShape(settings: RibPeerSettings): RibPeerSettings {
  const all: Record<string, unknown> = {};
  for (const name of Object.keys(settingNames) as (keyof RibPeerSettings)[]) all[name] = settings[name];
  return all as unknown as RibPeerSettings;
}
