import { formatIp, type IpAddress, type Prefix, prefixContains } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Peer } from './peer.ts';
import type { SpeakerPeerSettings } from './speaker.ts';

/** Peers that are accepted by where they connect from. */
export interface DynamicRule {
  readonly name: string;
  readonly prefixes: readonly Prefix[];
  /** Most peers at a time. */
  readonly limit: number;
  /** TCP MD5 key of all of them (RFC 2385). */
  readonly password?: string;
  /** Why nobody may be accepted at present: the key cannot be read, or the kernel did not take it. */
  readonly refused?: string;
  /** Settings of one such peer; its name is unique, its `passive` true. */
  settings(address: IpAddress): SpeakerPeerSettings;
}

/** What dynamic peers work with. */
export interface DynamicPeersDeps {
  readonly clock: Clock;
  readonly log: Logger;
  add(settings: SpeakerPeerSettings): Peer;
  update(settings: SpeakerPeerSettings): void;
  remove(name: string): void;
}

/** A peer that has no session for so long is forgotten. */
const FORGET_MS = 60_000;

interface DynamicPeer {
  readonly rule: string;
  readonly address: IpAddress;
  readonly peer: Peer;
  timer: TimerHandle | undefined;
}

/** Makes a peer when somebody connects from a configured prefix, and forgets it some time after its session ended. */
export class DynamicPeers {
  readonly #deps: DynamicPeersDeps;
  readonly #peers = new Map<string, DynamicPeer>();
  #rules: readonly DynamicRule[] = [];

  constructor(deps: DynamicPeersDeps) {
    this.#deps = deps;
  }

  /** Sets the rules; peers whose rule is gone or no longer covers them are removed, others get their new settings. */
  setRules(rules: readonly DynamicRule[]): void {
    this.#rules = rules;
    for (const [name, { rule: ruleName, address }] of this.#peers) {
      const rule = rules.find((candidate) => candidate.name === ruleName && covers(candidate, address));
      if (rule === undefined || rule.refused !== undefined) this.#forget(name);
      else this.#deps.update(rule.settings(address));
    }
  }

  /** The rule a peer was made by. */
  ruleOf(name: string): string | undefined {
    return this.#peers.get(name)?.rule;
  }

  /** The peer for a connection from an address that is configured nowhere; undefined: nobody we know. */
  peerFor(address: IpAddress): Peer | undefined {
    const rule = this.#rules.find((candidate) => covers(candidate, address));
    if (rule === undefined) return undefined;
    if (rule.refused !== undefined) {
      const reason = `${rule.name}: ${rule.refused}`;
      this.#deps.log.warn('connection refused', { address: formatIp(address), reason });
      return undefined;
    }
    const count = [...this.#peers.values()].filter((dynamic) => dynamic.rule === rule.name).length;
    if (count >= rule.limit) {
      this.#deps.log.warn('connection refused', {
        address: formatIp(address),
        reason: `${rule.name}: the limit of ${rule.limit} peers is reached`,
      });
      return undefined;
    }
    const peer = this.#deps.add(rule.settings(address));
    this.#peers.set(peer.name, { rule: rule.name, address, peer, timer: undefined });
    this.sessionEnded(peer.name);
    return peer;
  }

  /** A session came up: the peer stays. */
  sessionUp(name: string): void {
    const dynamic = this.#peers.get(name);
    dynamic?.timer?.clear();
  }

  /** A session ended: the peer goes unless it comes back. */
  sessionEnded(name: string): void {
    const dynamic = this.#peers.get(name);
    if (dynamic === undefined) return;
    dynamic.timer?.clear();
    dynamic.timer = this.#deps.clock.setTimer(FORGET_MS, () => this.#forget(name));
  }

  /** Stops all timers. */
  close(): void {
    for (const { timer } of this.#peers.values()) timer?.clear();
  }

  #forget(name: string): void {
    const dynamic = this.#peers.get(name);
    if (dynamic === undefined) return;
    dynamic.timer?.clear();
    this.#peers.delete(name);
    this.#deps.remove(name);
  }
}

function covers(rule: DynamicRule, address: IpAddress): boolean {
  return rule.prefixes.some((prefix) => prefixContains(prefix, address));
}
