import type { Clock, TimerHandle } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { errorMessage } from '../../lib/result.ts';
import type { Datastore, LeaseId } from '../datastore/datastore.ts';
import { isProblem } from '../datastore/errors.ts';
import { parseRegistration, type Registration, registrationKey } from './registration.ts';

/** How a node keeps itself registered. */
export interface RegistrarOptions {
  readonly store: Datastore;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long the registration outlives its node, in seconds. */
  readonly ttlSeconds: number;
  /** What is to be registered now. */
  current(): Registration;
  /** Called each time the registration was written anew, so that what depends on it can be looked after. */
  registered?(): void;
}

/** How far a node's registration is. */
export type RegistrarState =
  | { readonly type: 'starting' }
  | { readonly type: 'registered'; readonly sinceMs: number }
  /** The store does not answer, or has a problem; it is tried again. */
  | { readonly type: 'away'; readonly reason: string }
  /** Another machine has this name. */
  | { readonly type: 'refused'; readonly reason: string };

/** Keeps one node in the store under a lease, and writes it back when the lease or the store was lost. */
export class Registrar {
  readonly #options: RegistrarOptions;
  #state: RegistrarState = { type: 'starting' };
  #lease: LeaseId | undefined;
  /** As written last. */
  #written: string | undefined;
  #timer: TimerHandle | undefined;
  #isBusy = false;
  #isAgain = false;
  #isClosed = false;

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  get state(): RegistrarState {
    return this.#state;
  }

  /** Registers and keeps at it; never throws for the store's sake. */
  start(): void {
    this.update();
  }

  /** Looks at what is to be registered, and whether it still is, now. */
  update(): void {
    this.#timer?.clear();
    this.#turn().catch((error: unknown) => this.#options.log.error('bug', { error: errorMessage(error) }));
  }

  /** Stops. @param leave takes the registration away; else it runs out by itself, as when the daemon is restarted */
  async close({ leave }: { readonly leave: boolean }): Promise<void> {
    this.#isClosed = true;
    this.#timer?.clear();
    if (leave && this.#lease !== undefined) await this.#options.store.revoke(this.#lease).catch(() => undefined);
  }

  async #turn(): Promise<void> {
    if (this.#isBusy) {
      this.#isAgain = true;
      return;
    }
    this.#isBusy = true;
    try {
      do {
        this.#isAgain = false;
        await this.#once();
      } while (this.#isAgain && !this.#isClosed);
    } finally {
      this.#isBusy = false;
    }
    if (this.#isClosed) return;
    const { clock, ttlSeconds } = this.#options;
    const share = this.#state.type === 'registered' ? 3 : 10;
    this.#timer = clock.setTimer((ttlSeconds * 1000 * (0.8 + 0.4 * clock.random())) / share, () => this.update());
  }

  async #once(): Promise<void> {
    const { store, ttlSeconds, log } = this.#options;
    try {
      if (this.#lease !== undefined) {
        try {
          await store.keepAlive(this.#lease);
        } catch (error) {
          if (!isProblem(error, 'no-lease')) throw error;
          this.#lease = undefined;
          this.#written = undefined;
        }
      }
      const registration = this.#options.current();
      const value = JSON.stringify(registration);
      const key = registrationKey(registration.name);
      const entry = await store.get(key);
      if (value === this.#written && entry?.value === value) return;
      if (entry !== undefined && entry.value !== this.#written) {
        const other = parseRegistration(key, entry.value);
        if (other.ok && other.value.machine !== registration.machine) {
          this.#become({
            type: 'refused',
            reason: `another machine (${other.value.ipv4Address ?? other.value.ipv6Address ?? other.value.machine}) is registered as ${registration.name}: each node needs a name of its own`,
          });
          return;
        }
      }
      this.#lease ??= await store.grant(ttlSeconds);
      await store.commit([{ type: 'put', key, value, expect: entry?.revision ?? 'absent', lease: this.#lease }]);
      this.#written = value;
      log.info('registered', { node: registration.name });
      this.#become({ type: 'registered', sinceMs: this.#options.clock.wallMs() });
      this.#options.registered?.();
    } catch (error) {
      if (isProblem(error, 'closed')) return;
      if (isProblem(error, 'conflict')) {
        this.#isAgain = true;
        return;
      }
      // A lease of an outcome that is unknown runs out by itself.
      if (isProblem(error, 'no-lease')) this.#lease = undefined;
      this.#become({ type: 'away', reason: errorMessage(error) });
    }
  }

  #become(state: RegistrarState): void {
    const isNews = state.type !== this.#state.type;
    this.#state = state;
    if (!isNews) return;
    if (state.type === 'away') this.#options.log.warn('not registered', { reason: state.reason });
    if (state.type === 'refused') this.#options.log.error('not registered', { reason: state.reason });
  }
}
