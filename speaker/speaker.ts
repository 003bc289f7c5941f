import { CeaseSubcode, cease, type FamilyName, formatIp, type IpAddress, ipEquals } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { errorMessage } from '../lib/result.ts';
import type { PeerHandle, Rib } from '../rib/rib.ts';
import type { RibPeerSettings } from '../rib/types.ts';
import type { Transport } from './connection.ts';
import { DynamicPeers, type DynamicRule } from './dynamic-peers.ts';
import type { LinkNeighbours } from './link-neighbours.ts';
import { type ListenAddress, Listener } from './listener.ts';
import type { Negotiated, PeerSettings } from './negotiate.ts';
import { Peer, type PeerHandlers, type SessionPort } from './peer.ts';
import { RefreshIn } from './refresh-in.ts';
import { UnnumberedPeers, type UnnumberedRule } from './unnumbered.ts';
import { UpdateIn } from './update-in.ts';
import type { UpdateOut } from './update-out.ts';
import { WithdrawLog } from './withdraw-log.ts';

/** A configured peer with everything that belongs to it. */
export interface PeerEntry {
  readonly peer: Peer;
  readonly handle: PeerHandle;
  /** Receives UPDATEs; there while a session is up. */
  readonly updateIn: UpdateIn | undefined;
  /** The last UPDATEs that were treated as withdraw, of this session and earlier ones. */
  readonly withdrawLog: WithdrawLog;
  /** Sessions that ended after they were Established. */
  readonly resets: number;
  readonly lastReset: PeerReset | undefined;
}

/** How the last session ended. */
export interface PeerReset {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly by: 'local' | 'remote' | 'transport';
  readonly text: string;
}

/** Why a peer is down that sent more prefixes than it may, as its `adminDown` says. */
export const PREFIX_LIMIT_REACHED = 'maximum number of prefixes reached';

interface MutableEntry extends PeerEntry {
  updateIn: UpdateIn | undefined;
  resets: number;
  lastReset: PeerReset | undefined;
  restart: TimerHandle | undefined;
  /** Families whose export limit was warned about. */
  readonly warned: Set<FamilyName>;
}

/** How a peer's settings are to be applied; both halves describe the same peer. */
export interface SpeakerPeerSettings {
  readonly session: PeerSettings;
  readonly rib: RibPeerSettings;
  /** Seconds after which a session that exceeded its prefix limit is tried again; absent: it stays down until `enable`. */
  readonly prefixLimitRestartSeconds?: number;
  /** Most paths of a family that the peer may be told; more end the session, or are warned about. */
  readonly exportLimit?: ExportLimit;
}

/** What happens when a peer is told more than it should be. */
export interface ExportLimit {
  readonly count: number;
  readonly action: 'warn' | 'restart' | 'shutdown';
  readonly restartSeconds: number;
}

/** What a speaker works with. */
export interface SpeakerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly transport: Transport;
  readonly rib: Rib;
  readonly updateOut: UpdateOut;
  /**
   * A session is about to begin: what the tables are to know of the peer, where that may have changed since it was configured (own
   * addresses come and go with interfaces).
   */
  ribSettings?(name: string): RibPeerSettings | undefined;
  /** Interface on whose link a session's peer is: the scope of link-local next hops it names. Undefined when it is not on a link. */
  deviceTowards?(negotiated: Negotiated): string | undefined;
  /** Finds the neighbours of peers by interface; without it there are none. */
  readonly neighbours?: LinkNeighbours;
  /** There is work for the tables. */
  wake(): void;
}

/**
 * The BGP speaker: peers and the listening sockets, joined to the RIB. Knows nothing of configuration files, of the kernel's
 * routes or of pods.
 */
export class Speaker {
  readonly #deps: SpeakerDeps;
  readonly #entries = new Map<string, MutableEntry>();
  readonly #settings = new Map<string, SpeakerPeerSettings>();
  /** Names of peers that a person drains, and whether all are. */
  readonly #draining = new Set<string>();
  #isDraining = false;
  readonly #listener: Listener;
  readonly #dynamic: DynamicPeers;
  readonly #unnumbered: UnnumberedPeers | undefined;
  readonly #handlers: PeerHandlers;
  readonly #refreshIn: RefreshIn;

  constructor(deps: SpeakerDeps) {
    this.#deps = deps;
    this.#dynamic = new DynamicPeers({
      clock: deps.clock,
      log: deps.log,
      add: (settings) => this.#add(settings, true),
      update: (settings) => void this.updatePeer(settings),
      remove: (name) => this.removePeer(name),
    });
    this.#unnumbered =
      deps.neighbours &&
      new UnnumberedPeers({
        clock: deps.clock,
        log: deps.log,
        neighbours: deps.neighbours,
        add: (settings) => this.addPeer(settings),
        update: (settings) => void this.updatePeer(settings),
        remove: (name) => this.removePeer(name),
      });
    this.#listener = new Listener({
      clock: deps.clock,
      transport: deps.transport,
      log: deps.log,
      unknown: (address, device) => this.#unnumbered?.peerFor(address, device) ?? this.#dynamic.peerFor(address),
    });
    this.#refreshIn = new RefreshIn(deps);
    this.#handlers = this.#makeHandlers();
  }

  /** Peers in order of their names. */
  peers(): PeerEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.peer.name < b.peer.name ? -1 : 1));
  }

  /** Whether any session is Established. */
  hasSession(): boolean {
    for (const { updateIn } of this.#entries.values()) if (updateIn !== undefined) return true;
    return false;
  }

  /** The peer with this name or address (`fe80::1%eth0` with its interface), as a person types it. */
  find(nameOrAddress: string): PeerEntry | undefined {
    const byName = this.#entries.get(nameOrAddress);
    if (byName !== undefined) return byName;
    return this.peers().find(({ peer }) => {
      const address = formatIp(peer.settings.address);
      return nameOrAddress === address || nameOrAddress === `${address}%${peer.settings.device ?? ''}`;
    });
  }

  /** Listens on these addresses too. @throws Error if one cannot be bound; then none of them stays open */
  listen(addresses: readonly ListenAddress[]): void {
    this.#listener.open(addresses);
  }

  /** Who is accepted without being configured one by one. */
  setDynamicRules(rules: readonly DynamicRule[]): void {
    const keys = rules.flatMap(({ prefixes, password, refused }) =>
      password === undefined || refused !== undefined ? [] : prefixes.map((prefix) => ({ prefix, password })),
    );
    try {
      this.#listener.setPrefixKeys(keys);
      this.#dynamic.setRules(rules);
    } catch (error) {
      // Without its key a rule would be open to anybody: nobody comes in by one that has a key.
      const refused = `TCP MD5 keys not set: ${errorMessage(error)}`;
      this.#deps.log.error('keys not set', { rules: rules.map(({ name }) => name), reason: errorMessage(error) });
      this.#dynamic.setRules(rules.map((rule) => (rule.password === undefined ? rule : { ...rule, refused })));
    }
  }

  /** Peers by interface. @throws Error where there are rules and no way to find neighbours */
  setUnnumberedRules(rules: readonly UnnumberedRule[]): void {
    if (this.#unnumbered === undefined && rules.length > 0) throw new Error('unnumbered peers: no router discovery');
    this.#unnumbered?.setRules(rules);
  }

  /** The rule of a peer by interface, and the address of the neighbour ({@link nobodyYet} before it is found). */
  unnumberedRuleOf(name: string): { readonly rule: UnnumberedRule; readonly address: IpAddress } | undefined {
    return this.#unnumbered?.find(name);
  }

  /** The rule that made a peer; undefined for one that is configured by itself. */
  dynamicRuleOf(name: string): string | undefined {
    return this.#dynamic.ruleOf(name);
  }

  /** Adds a peer and starts it. */
  addPeer(settings: SpeakerPeerSettings): Peer {
    return this.#add(settings, false);
  }

  #add(settings: SpeakerPeerSettings, isDynamic: boolean): Peer {
    const { clock, log, transport, rib } = this.#deps;
    const peer = new Peer(settings.session, { clock, log, transport, handlers: this.#handlers });
    const handle = rib.addPeer(this.#drained(settings.rib));
    this.#settings.set(peer.name, settings);
    this.#entries.set(peer.name, {
      peer,
      handle,
      updateIn: undefined,
      withdrawLog: new WithdrawLog(() => clock.wallMs()),
      resets: 0,
      lastReset: undefined,
      restart: undefined,
      warned: new Set(),
    });
    this.#listener.addPeer(peer, !isDynamic);
    peer.start();
    return peer;
  }

  /**
   * Changes a peer with as little disturbance as the change allows.
   * @returns `reset` if its session had to be ended
   */
  updatePeer(settings: SpeakerPeerSettings): 'kept' | 'reset' {
    const entry = this.#entries.get(settings.session.name);
    if (entry === undefined) throw new Error(`no peer ${settings.session.name}`);
    const { address, device, password } = entry.peer.settings;
    const hasMoved = !ipEquals(address, settings.session.address) || device !== settings.session.device;
    const losesPassword = password !== undefined && settings.session.password === undefined;
    if (hasMoved || losesPassword) this.#listener.removePeer(entry.peer);
    this.#settings.set(settings.session.name, settings);
    if (settings.session.adminDown !== undefined) entry.restart?.clear();
    const outcome = entry.peer.update(settings.session);
    const allowedAsSets = entry.handle.settings.allowsAsSets === true;
    const rib = this.#drained(asNegotiated(settings.rib, entry.peer.session?.negotiated));
    this.#deps.rib.updatePeer(entry.handle, rib);
    // What was withdrawn for its AS_SET was not kept: it must be told again.
    if (outcome === 'kept' && (rib.allowsAsSets === true) !== allowedAsSets) this.softClear(entry);
    this.#listener.addPeer(entry.peer, this.#dynamic.ruleOf(settings.session.name) === undefined);
    this.#deps.wake();
    return outcome;
  }

  /** Ends a peer's session (Cease/Peer De-configured) and forgets it. */
  removePeer(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.restart?.clear();
    entry.peer.close('deconfigured');
    this.#listener.removePeer(entry.peer);
    this.#deps.rib.removePeer(entry.handle);
    this.#entries.delete(name);
    this.#settings.delete(name);
    this.#draining.delete(name);
    this.#deps.wake();
  }

  /**
   * Ends the sessions on which more has been advertised than the peer's export limit allows, or warns. A task of the work loop; what a
   * turn packs may go beyond the limit before it is seen.
   */
  work(): boolean {
    for (const entry of this.#entries.values()) {
      const limit = this.#settings.get(entry.peer.name)?.exportLimit;
      const families = limit && entry.peer.session?.negotiated.families;
      if (limit === undefined || families === undefined) continue;
      for (const family of families) {
        const { advertised } = this.#deps.rib.counters(entry.handle, family);
        if (advertised > limit.count) this.#exceeded(entry, family, advertised, limit);
        else entry.warned.delete(family);
        if (entry.peer.session === undefined) break;
      }
    }
    return false;
  }

  #exceeded(entry: MutableEntry, family: FamilyName, advertised: number, limit: ExportLimit): void {
    const { count, action, restartSeconds } = limit;
    if (action === 'warn' && entry.warned.has(family)) return;
    this.#deps.log.warn('export limit', { peer: entry.peer.name, family, advertised, limit: count, action });
    entry.warned.add(family);
    if (action === 'warn') return;
    entry.peer.stop(`more than ${count} ${family} prefixes to send`);
    entry.warned.clear();
    entry.restart?.clear();
    if (action !== 'restart') return;
    entry.restart = this.#deps.clock.setTimer(restartSeconds * 1000, () => entry.peer.enable());
  }

  /** Takes a peer down because a person says so, and tells it `text` (RFC 9003); only `enable` brings it back. */
  shutdown(entry: PeerEntry, text: string): void {
    this.#entries.get(entry.peer.name)?.restart?.clear();
    entry.peer.stop(text);
  }

  /** Takes back `shutdown`, or what a prefix limit did. */
  enable(entry: PeerEntry): void {
    this.#entries.get(entry.peer.name)?.restart?.clear();
    entry.peer.enable();
  }

  /** Drains a session before it goes down, or all of them, also those to come (RFC 8326); until it is taken back, or the daemon ends. */
  drain(entry: PeerEntry | undefined, isDraining: boolean): void {
    if (entry === undefined) this.#isDraining = isDraining;
    else if (isDraining) this.#draining.add(entry.peer.name);
    else this.#draining.delete(entry.peer.name);
    for (const each of entry === undefined ? this.#entries.values() : [entry]) {
      const { name } = each.peer;
      const settings = this.#deps.ribSettings?.(name) ?? this.#settings.get(name)?.rib;
      if (settings === undefined) continue;
      this.#deps.rib.updatePeer(each.handle, this.#drained(asNegotiated(settings, each.peer.session?.negotiated)));
    }
    this.#deps.wake();
  }

  #drained(settings: RibPeerSettings): RibPeerSettings {
    const isDraining = this.#isDraining || this.#draining.has(settings.name);
    return isDraining ? { ...settings, gracefulShutdown: true } : settings;
  }

  /** Evaluates a peer's routes again in both directions; asks the peer for its own where it offered that. */
  softClear(entry: PeerEntry): void {
    this.#deps.rib.refreshIn(entry.handle);
    const session = entry.peer.session;
    if (session !== undefined) {
      for (const family of session.negotiated.families) {
        this.#deps.updateOut.routeRefresh(entry.handle, family);
        session.requestRefresh(family);
      }
    }
    this.#deps.wake();
  }

  /** Ends all sessions and listening sockets; can be called twice. */
  close(how: 'shutdown' | 'silent'): void {
    this.#listener.close();
    this.#dynamic.close();
    this.#unnumbered?.close();
    for (const entry of this.#entries.values()) {
      entry.restart?.clear();
      entry.peer.close(how);
    }
  }

  #makeHandlers(): PeerHandlers {
    const { rib, updateOut, wake, log, clock } = this.#deps;
    const entryOf = (peer: Peer): MutableEntry => this.#entries.get(peer.name) as MutableEntry;
    return {
      sessionUp: (peer: Peer, session: SessionPort) => {
        const entry = entryOf(peer);
        const { negotiated } = session;
        const settings = this.#deps.ribSettings?.(peer.name) ?? this.#settings.get(peer.name)?.rib;
        if (settings !== undefined) rib.updatePeer(entry.handle, this.#drained(asNegotiated(settings, negotiated)));
        const device = negotiated.device ?? this.#deps.deviceTowards?.(negotiated);
        const scoped = device === undefined ? negotiated : { ...negotiated, device };
        rib.sessionUp(entry.handle, scoped);
        entry.updateIn = new UpdateIn(rib, entry.handle, scoped, entry.withdrawLog);
        updateOut.sessionUp(entry.handle, session);
        this.#dynamic.sessionUp(peer.name);
        log.info('session up', {
          peer: peer.name,
          families: [...negotiated.families],
          holdSeconds: negotiated.holdSeconds,
          remoteAs: negotiated.remoteAs,
          remoteRouterId: formatIp(negotiated.remoteRouterId),
        });
        wake();
      },
      update: (peer, bytes, start, end) => {
        const notification = entryOf(peer).updateIn?.receive(bytes, start, end);
        if (notification !== undefined) this.#afterPrefixLimit(entryOf(peer), notification.subcode, notification.code);
        // Also for an End-of-RIB, which brings no work to the tables but may be what somebody waits for.
        wake();
        return notification;
      },
      routeRefresh: (peer: Peer, family: FamilyName, subtype: 0 | 1 | 2) => {
        const { handle } = entryOf(peer);
        if (subtype === 0) updateOut.routeRefresh(handle, family);
        // Marks that were not agreed on mean nothing (RFC 7313 §3.2).
        else if (peer.session?.negotiated.enhancedRefresh !== true) return;
        else if (subtype === 1) this.#refreshIn.begin(handle, family);
        else this.#refreshIn.end(handle, family);
        wake();
      },
      writable: (peer) => {
        updateOut.writable(entryOf(peer).handle);
        wake();
      },
      sessionDown: (peer, reason) => {
        const entry = entryOf(peer);
        entry.updateIn = undefined;
        entry.resets += 1;
        const by =
          reason.type === 'notification-received'
            ? 'remote'
            : reason.type === 'connection-lost'
              ? 'transport'
              : 'local';
        entry.lastReset = { atMs: clock.wallMs(), by, text: reason.message };
        this.#refreshIn.forget(entry.handle);
        updateOut.sessionDown(entry.handle);
        rib.sessionDown(entry.handle);
        this.#dynamic.sessionEnded(peer.name);
        log.info('session down', { peer: peer.name, by, reason: reason.message });
        wake();
      },
    };
  }

  /** A peer that sent more prefixes than it may stays down, for a time or until somebody enables it (RFC 4486 §4). */
  #afterPrefixLimit(entry: MutableEntry, subcode: number, code: number): void {
    const { code: ceaseCode, subcode: limitSubcode } = cease(CeaseSubcode.MaximumPrefixesReached);
    if (code !== ceaseCode || subcode !== limitSubcode) return;
    const seconds = this.#settings.get(entry.peer.name)?.prefixLimitRestartSeconds;
    this.#deps.clock.defer(() => {
      entry.peer.stop(PREFIX_LIMIT_REACHED);
      if (seconds === undefined) return;
      entry.restart?.clear();
      entry.restart = this.#deps.clock.setTimer(seconds * 1000, () => entry.peer.enable());
    });
  }
}

/** What the tables are to know of a peer whose AS number its OPEN has told, where the configuration left that open. */
function asNegotiated(settings: RibPeerSettings, negotiated: Negotiated | undefined): RibPeerSettings {
  if (negotiated === undefined) return settings;
  const { remoteAs, kind } = negotiated;
  return settings.remoteAs === remoteAs && settings.kind === kind ? settings : { ...settings, remoteAs, kind };
}
