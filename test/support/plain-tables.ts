/**
 * The tables of `rib/` in their plain form: Maps and arrays of values, slow and obviously right. The fast ones must agree with these over any
 * sequence of operations (test/unit/rib/tables.test.ts); the RIB as a whole with `NaiveRib`.
 */

/** A path of {@link PlainPathTable}. */
export interface PlainPath {
  readonly set: number;
  readonly source: number;
  /** RFC 7911; 0: none. */
  id: number;
  /** Set after import policy, 0: as received. */
  after: number;
}

/** `PathTable` with an object for each path. */
export class PlainPathTable {
  readonly paths = new Map<number, PlainPath>();

  /** @param path the number that the fast table gave it */
  add(path: number, set: number, source: number): void {
    if (path < 1 || this.paths.has(path)) throw new Error(`path ${path} is in use`);
    this.paths.set(path, { set, source, id: 0, after: 0 });
  }

  effectiveSet(path: number): number {
    const { set, after } = this.paths.get(path) ?? { set: 0, after: 0 };
    return after === 0 ? set : after;
  }
}

/** What an attribute set of {@link PlainAttributeSets} consists of. */
export interface PlainSet {
  readonly octets: readonly number[];
  readonly nextHop: number;
  readonly weight: number;
  references: number;
}

/** `AttributeSets` as a Map from what a set consists of to a number of holders. */
export class PlainAttributeSets {
  readonly byId = new Map<number, PlainSet>();

  /** The id under which a set with these octets, next hop and weight lives. */
  find(octets: readonly number[], nextHop: number, weight: number): number | undefined {
    for (const [id, set] of this.byId) {
      const isSame = set.nextHop === nextHop && set.weight === weight && set.octets.join() === octets.join();
      if (isSame) return id;
    }
    return undefined;
  }

  /** Counts one holder less. @returns whether the set is gone */
  release(id: number): boolean {
    const set = this.byId.get(id);
    if (set === undefined) throw new Error(`set ${id} is not there`);
    set.references--;
    return set.references === 0 && this.byId.delete(id);
  }

  /** How many sets have this next hop. */
  usersOf(nextHop: number): number {
    return [...this.byId.values()].filter((set) => set.nextHop === nextHop).length;
  }
}

/** `NextHopSets` as a Map from id to sorted members and holders. */
export class PlainNextHopSets {
  readonly byId = new Map<number, { readonly members: readonly number[]; references: number }>();

  find(members: readonly number[]): number | undefined {
    const wanted = sorted(members).join();
    for (const [id, set] of this.byId) if (set.members.join() === wanted) return id;
    return undefined;
  }

  add(id: number, members: readonly number[]): void {
    if (this.byId.has(id)) throw new Error(`set ${id} is in use`);
    this.byId.set(id, { members: sorted(members), references: 0 });
  }

  /** Counts one holder less. @returns whether the set is gone */
  release(id: number): boolean {
    const set = this.byId.get(id);
    if (set === undefined) throw new Error(`set ${id} is not there`);
    set.references--;
    return set.references === 0 && this.byId.delete(id);
  }
}

/** A run of {@link plainRuns}: rows that one audience must hear of with one exported set. */
export interface PlainRun {
  readonly audience: number;
  readonly set: number;
  readonly rows: readonly number[];
}

/** What `ChangeBatch` makes of rows added one by one: a list for each audience and set. */
export function plainRuns(added: readonly { row: number; audience: number; set: number }[]): PlainRun[] {
  const runs: { audience: number; set: number; rows: number[] }[] = [];
  for (const { row, audience, set } of added) {
    const run = runs.find((r) => r.audience === audience && r.set === set);
    if (run === undefined) runs.push({ audience, set, rows: [row] });
    else run.rows.push(row);
  }
  return runs;
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}
