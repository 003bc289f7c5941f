import { KeyTable } from './key-table.ts';

/**
 * Routes of others by prefix and metric, with look-up by longest prefix. About 30 octets a route (IPv4), so that a full table of another
 * daemon costs little; a look-up tries each prefix length in use with each metric in use, which is for next hops and not for packets.
 */
export class RouteIndex {
  readonly #keys: KeyTable;
  readonly #words: 1 | 4;
  /** Target by row; the first route seen where several share a key. */
  #targets: Int32Array;
  /** Routes that share the key of a row. */
  #shared: Uint8Array;
  /** Rows by prefix length. */
  readonly #lengths: Int32Array;
  readonly #masked = new Int32Array(4);

  /** @param words 32-bit words of an address: 1 for IPv4, 4 for IPv6 */
  constructor(words: 1 | 4) {
    this.#words = words;
    this.#keys = new KeyTable(words);
    this.#targets = new Int32Array(64);
    this.#shared = new Uint8Array(64);
    this.#lengths = new Int32Array(32 * words + 1);
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Adds a route, `replacing` the first with its key or beside what is there. */
  add(address: Int32Array, at: number, length: number, metric: number, target: number, replacing: boolean): void {
    const before = this.#keys.size;
    const row = this.#keys.ensure(address, at, length, metric);
    if (row >= this.#targets.length) this.#grow(2 * this.#targets.length);
    if (this.#keys.size > before) {
      this.#targets[row] = target;
      this.#shared[row] = 1;
      this.#lengths[length] = (this.#lengths[length] ?? 0) + 1;
    } else if (replacing) this.#targets[row] = target;
    else if (this.#words === 1) this.#shared[row] = Math.min(255, (this.#shared[row] ?? 0) + 1);
    else this.#targets[row] = target; // IPv6 reports the whole multipath route that came of it
  }

  /** Removes a route. @returns false when others shared its key: which one is left is known to the kernel alone */
  remove(address: Int32Array, at: number, length: number, metric: number): boolean {
    const row = this.#keys.find(address, at, length, metric);
    if (row < 0) return true;
    if ((this.#shared[row] ?? 0) > 1) return false;
    this.#keys.remove(row);
    this.#lengths[length] = (this.#lengths[length] ?? 0) - 1;
    return true;
  }

  /** Shows the routes that cover an address, longest prefix first, then lowest metric, until `visit` says true. */
  covering(address: Int32Array, visit: (target: number, metric: number, length: number) => boolean): void {
    const metrics = [...this.#keys.metrics].sort((a, b) => a - b);
    for (let length = 32 * this.#words; length >= 0; length--) {
      if (this.#lengths[length] === 0) continue;
      for (let i = 0; i < this.#words; i++) {
        const bits = Math.min(32, Math.max(0, length - 32 * i));
        this.#masked[i] = bits === 0 ? 0 : (address[i] ?? 0) & (-1 << (32 - bits));
      }
      for (const metric of metrics) {
        const row = this.#keys.find(this.#masked, 0, length, metric);
        if (row >= 0 && visit(this.#targets[row] ?? 0, metric, length)) return;
      }
    }
  }

  #grow(capacity: number): void {
    const targets = new Int32Array(capacity);
    targets.set(this.#targets);
    this.#targets = targets;
    const shared = new Uint8Array(capacity);
    shared.set(this.#shared);
    this.#shared = shared;
  }
}
