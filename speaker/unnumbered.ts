import { formatIp, type IpAddress, ip, ipEquals, isLinkLocal } from 'bgp-ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { LinkNeighbours } from './link-neighbours.ts';
import type { Peer } from './peer.ts';
import type { SpeakerPeerSettings } from './speaker.ts';

/** A peer that is configured by its interface: whoever is at the other end of the link. */
export interface UnnumberedRule {
  readonly name: string;
  readonly device: string;
  /** Settings with this address; with {@link nobodyYet} the peer only waits. */
  settings(address: IpAddress): SpeakerPeerSettings;
}

/** What unnumbered peers work with. */
export interface UnnumberedDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly neighbours: LinkNeighbours;
  add(settings: SpeakerPeerSettings): Peer;
  update(settings: SpeakerPeerSettings): void;
  remove(name: string): void;
}

/** Stands for the address of a neighbour that has not been heard: that of all routers of a link, from which nobody connects. */
export const nobodyYet: IpAddress = ip('fe80::');

/** A router that was heard within this time keeps its place when another one is heard on the link: three advertisements of it. */
const SILENCE_MS = 30_000;

interface Unnumbered {
  rule: UnnumberedRule;
  readonly peer: Peer;
  address: IpAddress;
  heardMs: number;
  watch: { close(): void };
  /** Another router of the link that was logged. */
  stranger: string;
}

/**
 * Peers by interface: each is there from the start and waits, until a router advertisement or a connection says what address the neighbour
 * has. A neighbour that comes back with another address takes the place of the one before, unless that one's session is up.
 */
export class UnnumberedPeers {
  readonly #deps: UnnumberedDeps;
  readonly #peers = new Map<string, Unnumbered>();

  constructor(deps: UnnumberedDeps) {
    this.#deps = deps;
  }

  /** Sets the rules; peers whose rule is gone are removed, others get their new settings. */
  setRules(rules: readonly UnnumberedRule[]): void {
    const wanted = new Map(rules.map((rule) => [rule.name, rule]));
    for (const [name, { rule, watch }] of this.#peers) {
      if (wanted.get(name)?.device === rule.device) continue;
      watch.close();
      this.#peers.delete(name);
      this.#deps.remove(name);
    }
    for (const rule of rules) {
      const present = this.#peers.get(rule.name);
      if (present === undefined) this.#start(rule);
      else {
        present.rule = rule;
        this.#deps.update(rule.settings(present.address));
      }
    }
  }

  /** The rule of a peer, and the address it has now. */
  find(name: string): { readonly rule: UnnumberedRule; readonly address: IpAddress } | undefined {
    return this.#peers.get(name);
  }

  /** The peer for a connection from a link-local address; undefined: no peer is configured for that interface. */
  peerFor(address: IpAddress, device: string | undefined): Peer | undefined {
    if (device === undefined || !isLinkLocal(address)) return undefined;
    for (const unnumbered of this.#peers.values()) {
      if (unnumbered.rule.device !== device) continue;
      if (unnumbered.peer.session !== undefined && !ipEquals(unnumbered.address, address)) {
        this.#logStranger(unnumbered, address);
        return undefined;
      }
      this.#identify(unnumbered, address);
      return unnumbered.peer;
    }
    return undefined;
  }

  /** Stops listening on all links. */
  close(): void {
    for (const { watch } of this.#peers.values()) watch.close();
  }

  #start(rule: UnnumberedRule): void {
    const { log, neighbours, add } = this.#deps;
    const { name, device } = rule;
    const peer = add(rule.settings(nobodyYet));
    const unnumbered: Unnumbered = {
      rule,
      peer,
      address: nobodyYet,
      heardMs: Number.NEGATIVE_INFINITY,
      watch: { close() {} },
      stranger: '',
    };
    this.#peers.set(name, unnumbered);
    unnumbered.watch = neighbours.watch(device, {
      heard: (address) => this.#heard(unnumbered, address),
      changed(reason) {
        if (reason === undefined) log.info('router advertisements', { peer: name, device });
        else log.warn('no router advertisements', { peer: name, device, reason });
      },
    });
  }

  #heard(unnumbered: Unnumbered, address: IpAddress): void {
    const now = this.#deps.clock.nowMs();
    if (!ipEquals(address, unnumbered.address)) {
      if (unnumbered.peer.session !== undefined || now - unnumbered.heardMs < SILENCE_MS) {
        this.#logStranger(unnumbered, address);
        return;
      }
    }
    this.#identify(unnumbered, address);
  }

  #identify(unnumbered: Unnumbered, address: IpAddress): void {
    const { rule } = unnumbered;
    unnumbered.heardMs = this.#deps.clock.nowMs();
    if (ipEquals(address, unnumbered.address)) return;
    unnumbered.address = address;
    unnumbered.stranger = '';
    this.#deps.log.info('neighbour found', { peer: rule.name, device: rule.device, address: formatIp(address) });
    this.#deps.update(rule.settings(address));
  }

  #logStranger(unnumbered: Unnumbered, address: IpAddress): void {
    const { rule } = unnumbered;
    const text = formatIp(address);
    if (unnumbered.stranger === text) return;
    unnumbered.stranger = text;
    const reason = `${formatIp(unnumbered.address)} is the peer; a link of an unnumbered peer has two ends`;
    this.#deps.log.warn('another router on the link', { peer: rule.name, device: rule.device, address: text, reason });
  }
}
