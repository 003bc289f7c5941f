import type { FamilyName } from 'bgp-ts';
import { type LabHost, tryCommand } from '../../../deploy/lab/lab.ts';
import type { ShownField, ShownRoute, ShownRoutes } from '../lab/shown-route.ts';
import { startBirdDaemon } from './bird.ts';
import { startExabgpDaemon } from './exabgp.ts';
import { startFrrDaemon } from './frr.ts';
import { startGobgpDaemon } from './gobgp.ts';
import { startOpenbgpdDaemon } from './openbgpd.ts';

/** The daemons that podrouted is tested with. */
export const daemonNames = ['FRR', 'BIRD', 'GoBGP', 'OpenBGPD', 'ExaBGP'] as const;
export type DaemonName = (typeof daemonNames)[number];

/** One neighbor of a daemon, in no daemon's own words. */
export interface NeighborOptions {
  /** A word, used as the name where the daemon has names. */
  readonly name: string;
  /** A link-local one with the interface that leads there: `fe80::1%node`. */
  readonly address: string;
  /** The neighbor is found at the interface of its address; only FRR is told so. */
  readonly byInterface?: boolean;
  readonly localAddress: string;
  readonly asn: number;
  /** A client of the daemon as route reflector. */
  readonly client?: boolean;
  /** Waits for the neighbor to connect. */
  readonly passive?: boolean;
  readonly holdSeconds?: number;
  readonly password?: string;
  /** Only packets of a neighbor on the same link are taken (RFC 5082). */
  readonly ttlSecurity?: boolean;
  /** Offers no four-octet AS numbers; FRR then offers no capabilities at all, and so IPv4 only. */
  readonly twoOctetAs?: boolean;
  /** Most IPv4 prefixes before the session is ended. */
  readonly maxPrefixes?: number;
  /** The own IPv6 (IPv4) address to name as next hop on a session over IPv4 (IPv6). */
  readonly otherNextHop: string;
  /** Families offered; both when left out. */
  readonly families?: readonly FamilyName[];
  /** TCP port of the neighbor; 179 when left out. */
  readonly port?: number;
  /** The neighbor is up to this many hops away. */
  readonly multihop?: number;
  /** Own AS number towards this neighbor, in place of the daemon's. */
  readonly localAs?: number;
  /** ADD-PATH (RFC 7911): all paths are sent, or taken. */
  readonly addPath?: 'send' | 'receive' | 'both';
  /** Messages of up to 65535 octets (RFC 8654), where that has to be asked for. */
  readonly extendedMessages?: boolean;
  /** Begin and end of a route refresh are marked (RFC 7313), where that has to be asked for. */
  readonly enhancedRefresh?: boolean;
  /** IPv4 routes with IPv6 next hops (RFC 8950). */
  readonly extendedNextHop?: boolean;
  /** Own role towards the neighbor (RFC 9234). */
  readonly role?: 'provider' | 'customer' | 'peer' | 'rs-server' | 'rs-client';
  /** How often the own AS may be in a path that the neighbor sends. */
  readonly allowOwnAs?: number;
  /** Names itself as next hop of routes for this neighbor. */
  readonly nextHopSelf?: boolean;
  /** AIGP (RFC 7311) over eBGP, where that has to be asked for. */
  readonly aigp?: boolean;
  /** Link bandwidth put into what the neighbor is sent, in Gbit/s; of the transitive kind. */
  readonly linkBandwidthOut?: number;
  /** Adds this community to what the neighbor sends. */
  readonly addCommunityIn?: string;
  /** Adds this community to what the neighbor is sent. */
  readonly addCommunityOut?: string;
}

/** What a daemon is told to be. */
export interface DaemonOptions {
  readonly asn: number;
  readonly routerId: string;
  /** `asn` is a member of this confederation (RFC 5065), and so are these. */
  readonly confederation?: { readonly identifier: number; readonly members: readonly number[] };
  readonly neighbors: readonly NeighborOptions[];
}

/** Capabilities by the words of `bgpctl`; a family stands for the multiprotocol capability. */
export type CapabilityName =
  | FamilyName
  | 'route-refresh'
  | 'enhanced-route-refresh'
  | 'four-octet-as'
  | 'extended-message'
  | 'extended-next-hop'
  | 'add-path'
  | 'graceful-restart'
  | 'role';

/** A session as the daemon's own commands show it. */
export interface DaemonSession {
  readonly isEstablished: boolean;
  /** Families that both sides offered. */
  readonly families: readonly FamilyName[];
  /** Negotiated; where the daemon shows it. */
  readonly holdSeconds?: number;
  /** KEEPALIVEs received; where the daemon counts them. */
  readonly keepalivesReceived?: number;
  /** ROUTE-REFRESH received; where the daemon counts them. */
  readonly refreshesReceived?: number;
  /** UPDATEs received, or for BIRD routes. */
  readonly updatesReceived: number;
  /** Prefixes accepted from the neighbor, both families together. */
  readonly prefixes: number;
}

/** A real BGP daemon in a host of the lab, asked and told by its own commands only. */
export interface Daemon {
  readonly name: DaemonName;
  session(neighbor: string): DaemonSession;
  /** Those of the kinds named above that the neighbor offered, where the daemon shows them. */
  capabilities(neighbor: string): readonly CapabilityName[];
  /** Every route that came from the neighbor, with all attributes the daemon shows. */
  routes(neighbor: string): ShownRoutes;
  /** AS_PATH of every path of a prefix that came from the neighbor, sorted; where the daemon takes several (RFC 7911). */
  asPaths?(neighbor: string, prefix: string): string[];
  /** Fields that its commands do not show, or not whole: those are judged by what it passes on. */
  readonly hidden: ReadonlySet<ShownField>;
  /** Sends over eBGP what is for its own AS alone: routes with NO_EXPORT, extended communities that are not transitive. */
  readonly keepsInternal?: boolean;
  /** Departures of its own from what RFCs ask of a speaker that passes a route on; the reason is with the daemon. */
  isKnownDeparture?(field: ShownField, expected: ShownRoute, found: ShownRoute): boolean;
  /** Sends routes of its own to the neighbor; only where there is no feeder behind it (ExaBGP). */
  announce?(neighbor: string, prefixes: readonly string[], route: ShownRoute): void;
  withdraw?(neighbor: string, prefixes: readonly string[]): void;
  /** Sends octets as one message, whatever they are; ExaBGP only. */
  sendRaw?(neighbor: string, octets: Uint8Array): void;
  /** Resets the session. */
  clear(neighbor: string): void;
  /** Asks the neighbor for its routes again, and sends the own ones again. */
  softClearIn(neighbor: string): void;
  softClearOut(neighbor: string): void;
  /** Shuts the session down, with a text for the neighbor (one word). */
  shutdown(neighbor: string, text: string): void;
  enable(neighbor: string): void;
  /** What it says of how the last session ended, all in one text. */
  lastError(neighbor: string): string;
  /** Loads changed settings of its neighbors without ending sessions that need not end. */
  reconfigure(options: DaemonOptions): void;
  /** `kill -9`. */
  kill(): Promise<void>;
  restart(): void;
  log(): string;
}

/** Starts a daemon. */
export function startDaemon(name: DaemonName, host: LabHost, options: DaemonOptions): Daemon {
  switch (name) {
    case 'FRR':
      return startFrrDaemon(host, options);
    case 'BIRD':
      return startBirdDaemon(host, options);
    case 'GoBGP':
      return startGobgpDaemon(host, options);
    case 'OpenBGPD':
      return startOpenbgpdDaemon(host, options);
    case 'ExaBGP':
      return startExabgpDaemon(host, options);
  }
}

const packages: Readonly<Record<DaemonName, string>> = {
  FRR: 'frr',
  BIRD: 'bird2',
  GoBGP: 'gobgpd',
  OpenBGPD: 'openbgpd',
  ExaBGP: 'exabgp',
};

/** The version of the daemon whose package is installed, without what the distribution adds to it. */
export function daemonVersion(name: DaemonName): string {
  const { stdout } = tryCommand(['dpkg-query', '-W', packages[name]]);
  return /\t(\d+(\.\d+)+)/.exec(stdout)?.[1] ?? 'unknown';
}
