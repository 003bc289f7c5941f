import type { Clock, TimerHandle } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Datastore, Entry } from '../datastore/datastore.ts';
import { Mirror } from '../datastore/mirror.ts';
import { parseRegistration, type Registration, registrationsPrefix } from './registration.ts';

/** A node that registered. */
export interface RegisteredNode {
  readonly registration: Registration;
  /** When its registration vanished, ms since 1970: it counts as there for the grace time. */
  readonly goneSinceMs?: number;
}

/**
 * The nodes of the cluster. One that vanished from the store is kept for the grace time: whether it still forwards is for its BGP
 * sessions to say, and the store may be what is at fault.
 */
export class RegisteredNodes {
  readonly #options: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly graceMs: number;
    changed(): void;
  };
  readonly #mirror: Mirror;
  readonly #nodes = new Map<string, RegisteredNode>();
  #timer: TimerHandle | undefined;

  /** @param known nodes of the last run, kept for the grace time as if they had just gone */
  constructor(options: {
    readonly store: Datastore;
    readonly clock: Clock;
    readonly log: Logger;
    readonly graceMs: number;
    readonly known?: readonly Registration[];
    changed(): void;
  }) {
    this.#options = options;
    const now = options.clock.wallMs();
    for (const registration of options.known ?? []) {
      this.#nodes.set(registration.name, { registration, goneSinceMs: now });
    }
    this.#mirror = new Mirror({ ...options, prefix: registrationsPrefix, changed: () => this.#read() });
    this.#forgetLater();
  }

  /** In order of name. */
  nodes(): RegisteredNode[] {
    return [...this.#nodes.values()].sort((a, b) => (a.registration.name < b.registration.name ? -1 : 1));
  }

  /** Why the store does not answer; undefined while it does. */
  get problem(): string | undefined {
    return this.#mirror.problem;
  }

  start(): void {
    this.#mirror.start();
  }

  close(): void {
    this.#timer?.clear();
    this.#mirror.close();
  }

  #read(): void {
    const { clock, log } = this.#options;
    const present = new Map<string, Registration>();
    for (const { key, value } of this.#mirror.entries() as readonly Entry[]) {
      const read = parseRegistration(key, value);
      if (read.ok) present.set(read.value.name, read.value);
      else log.warn('registration of a node', { reason: read.error });
    }
    let isNews = false;
    for (const [name, registration] of present) {
      const before = this.#nodes.get(name);
      isNews ||= before === undefined || JSON.stringify(before.registration) !== JSON.stringify(registration);
      this.#nodes.set(name, { registration });
    }
    for (const [name, node] of this.#nodes) {
      if (present.has(name) || node.goneSinceMs !== undefined) continue;
      this.#nodes.set(name, { registration: node.registration, goneSinceMs: clock.wallMs() });
      log.warn('node gone', { node: name, keptSeconds: this.#options.graceMs / 1000 });
    }
    this.#forgetLater();
    if (isNews) this.#options.changed();
  }

  #forgetLater(): void {
    this.#timer?.clear();
    const gone = [...this.#nodes.values()].flatMap(({ goneSinceMs }) => goneSinceMs ?? []);
    if (gone.length === 0) return;
    const { clock, graceMs } = this.#options;
    const due = Math.max(0, Math.min(...gone) + graceMs - clock.wallMs());
    this.#timer = clock.setTimer(due, () => this.#forget());
  }

  #forget(): void {
    const { clock, graceMs, log } = this.#options;
    // Who is gone cannot be told while the store is away.
    const isOver = (since: number | undefined) => since !== undefined && clock.wallMs() - since >= graceMs;
    let isNews = false;
    for (const [name, { registration, goneSinceMs }] of this.#nodes) {
      if (!isOver(goneSinceMs)) continue;
      if (this.#mirror.problem !== undefined || !this.#mirror.isFilled) {
        this.#nodes.set(name, { registration, goneSinceMs: clock.wallMs() });
        continue;
      }
      this.#nodes.delete(name);
      isNews = true;
      log.info('node forgotten', { node: name });
    }
    this.#forgetLater();
    if (isNews) this.#options.changed();
  }
}
