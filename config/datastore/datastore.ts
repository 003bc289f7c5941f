import type { DatastoreError } from './errors.ts';

/**
 * A number that grows with every change of the store. The entries that one commit writes carry the same one. It is
 * compared for equality and handed back, never counted with: a store that restarts, or hands over to another server,
 * jumps ahead, so that no number it gave out before can come to mean something else.
 */
export type Revision = number;

/** A key as it stands in the store. */
export interface Entry {
  readonly key: string;
  /** Text, JSON by convention; the store does not look inside. */
  readonly value: string;
  /** Of the commit that wrote it last. */
  readonly revision: Revision;
  /** The lease it vanishes with. */
  readonly lease?: LeaseId;
}

/** Names a lease within its store. */
export type LeaseId = string;

/** Everything under a prefix at one moment, and from where to watch it. */
export interface Snapshot {
  /** Made by chance when the store began. Another id means that the store lost everything and began again. */
  readonly storeId: string;
  /** Of the whole store, not only of the entries here. */
  readonly revision: Revision;
  /** In ascending order of their keys, by UTF-16 code unit (keys are ASCII). */
  readonly entries: readonly Entry[];
}

/** What a key must be for a step to be carried out: last written by this revision, or not there. */
export type Expectation = Revision | 'absent';

/** One compare-and-swap. There is no step without an expectation: nobody overwrites what he has not seen. */
export type Step =
  | {
      readonly type: 'put';
      readonly key: string;
      readonly value: string;
      readonly expect: Expectation;
      readonly lease?: LeaseId;
    }
  | { readonly type: 'delete'; readonly key: string; readonly expect: Revision }
  /** Changes nothing; the commit fails unless the key is as expected. */
  | { readonly type: 'check'; readonly key: string; readonly expect: Expectation };

/** From where a watch begins: fields of a {@link Snapshot}. */
export type Position = Pick<Snapshot, 'storeId' | 'revision'>;

/** What a watch tells. Changes come in the order of their revisions, none twice and none left out. */
export type WatchEvent =
  | { readonly type: 'put'; readonly entry: Entry }
  | { readonly type: 'delete'; readonly key: string; readonly revision: Revision }
  /**
   * Changes in between are unknown (the history was trimmed, or the server changed and may have lost its last
   * writes): what is in the snapshot is all there is. Whoever owns entries compares them and writes back what is gone.
   */
  | { readonly type: 'resync'; readonly snapshot: Snapshot }
  /**
   * The store was emptied or began anew: no revision or lease from before means anything. Whoever owns entries writes
   * them back with `expect: 'absent'`, under a new lease, so that nothing is doubled when several do.
   */
  | { readonly type: 'lost'; readonly was: string; readonly snapshot: Snapshot }
  /** The store does not answer; told once. The watch keeps trying and carries on where it was. */
  | { readonly type: 'away'; readonly error: DatastoreError }
  /** It answers again. */
  | { readonly type: 'back' };

/**
 * What a cluster shares: small texts under keys, each changed by compare-and-swap, watched, and optionally bound to the
 * life of whoever wrote them. Three users: configuration resources, node registrations, address blocks.
 *
 * Every method rejects with a {@link DatastoreError} and nothing else (a `TypeError` is a bug of the caller's). Reads
 * are of the latest commit, except on a Redis replica. No method retries and no request is kept for later: what was
 * asked while the store was away was not done, or, where the error says `outcome: 'unknown'`, was done at most once.
 */
export interface Datastore {
  /** The entry, or `undefined` when there is none. */
  get(key: string): Promise<Entry | undefined>;
  /** All entries whose keys begin with `prefix` (octet by octet; the empty prefix means all). */
  list(prefix: string): Promise<Snapshot>;
  /**
   * Carries out all steps or none. Each key may occur once, and there are at most {@link Limits.steps}.
   * @returns the revision that the written entries now have; that of the store where every step was a check
   * @throws DatastoreError `conflict` at the first step that found something else, with what it found
   */
  commit(steps: readonly Step[]): Promise<Revision>;
  /**
   * Begins a lease. It runs out `ttlSeconds` after it was last kept alive, by the store's clock. Time in which the
   * store was away from everybody does not count: afterwards each lease has its whole time before it again.
   */
  grant(ttlSeconds: number): Promise<LeaseId>;
  /** Starts the lease's time anew. @throws DatastoreError `no-lease` when it ran out or its store is gone */
  keepAlive(lease: LeaseId): Promise<void>;
  /** Ends the lease now: its entries vanish. A lease that is not there is no error. */
  revoke(lease: LeaseId): Promise<void>;
  /**
   * Changes to keys under `prefix` after `from`, for as long as it is read; leaving the loop or aborting ends it. Nothing
   * is kept for a slow reader in this process: it reads the store's history when it asks for the next event, and
   * gets a `resync` if that was trimmed meanwhile. Never throws for the store's sake: it says `away`.
   */
  watch(prefix: string, from: Position, signal: AbortSignal): AsyncIterable<WatchEvent>;
  /** Ends all watches and connections; can be called twice. Whatever is asked afterwards is refused with `closed`. */
  close(): Promise<void>;
}

/** What every implementation accepts at most. */
export const Limits = {
  /** Octets of a key. */
  keyOctets: 512,
  /** Octets of a value in UTF-8. */
  valueOctets: 1 << 20,
  /** Steps of one commit. */
  steps: 128,
  /** Octets of all keys and values of one commit. */
  commitOctets: 4 << 20,
  /** Seconds of a lease, at least and at most. */
  leaseSeconds: { min: 1, max: 86_400 },
} as const;
