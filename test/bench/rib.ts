/**
 * Micro-benchmark of the tables: a full table in, decided, packed out to one peer, and withdrawn again. Prints time per route and as a ratio
 * to a calibration loop of this run, and octets per route. `node --expose-gc test/bench/rib.ts [prefixes] [sets] [v4|v6] [senders] [open|filtered]`
 */
import { ip, prefix, type SessionContext } from 'bgp-ts';
import { acceptAll, type Policy, preparePolicy } from '../../rib/policy/evaluate.ts';
import { type PeerHandle, Rib } from '../../rib/rib.ts';
import type { Negotiated } from '../../speaker/negotiate.ts';
import type { SessionPort } from '../../speaker/peer-handlers.ts';
import { UpdateIn } from '../../speaker/update-in.ts';
import { UpdateOut } from '../../speaker/update-out.ts';
import { calibrationStepNs } from './calibrate.ts';
import { type TableMessages, tableMessages } from './rib-table.ts';

const LOCAL_AS = 64999;
const CHUNK_OCTETS = 64 << 10;

interface Peer {
  readonly handle: PeerHandle;
  readonly updateIn: UpdateIn;
  octets: number;
  updates: number;
}

/** One prefix match and one community match, as a session with filters has them at least. */
export const filter = preparePolicy({
  name: 'filter',
  terms: [
    {
      name: 'martians',
      matches: [
        {
          type: 'prefix',
          set: {
            name: 'martians',
            entries: ['10.0.0.0/8', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'].map((text) => ({
              prefix: prefix(text),
              minLength: prefix(text).length,
              maxLength: prefix(text).address.octets.length * 8,
            })),
          },
        },
      ],
      actions: [],
      verdict: 'reject',
    },
    {
      name: 'backup',
      matches: [{ type: 'community', require: 'any', patterns: [{ type: 'standard', parts: [65000, 666] }] }],
      actions: [{ type: 'set-local-pref', value: 50 }],
      verdict: 'accept',
    },
  ],
  default: 'accept',
  defaultName: 'rest',
});

function addPeer(rib: Rib, out: UpdateOut, n: number, policy: Policy): Peer {
  const address = ip(`10.0.1.${n}`);
  const handle = rib.addPeer({
    name: `peer${n}`,
    address,
    kind: 'ebgp',
    remoteAs: 100_000 + n,
    localAs: LOCAL_AS,
    importPolicy: policy,
    exportPolicy: policy,
    nextHopSelf: { ipv6: ip('fd00::1') },
  });
  const context: SessionContext = {
    fourOctetAs: true,
    addPathReceive: new Set(),
    addPathSend: new Set(),
    kind: 'ebgp',
  };
  const negotiated: Negotiated = {
    ...context,
    extendedNextHop: new Set(),
    kind: 'ebgp',
    families: new Set(['ipv4-unicast', 'ipv6-unicast']),
    routeRefresh: true,
    enhancedRefresh: true,
    maxOctets: 4096,
    holdSeconds: 90,
    keepaliveSeconds: 30,
    localAs: LOCAL_AS,
    remoteAs: 100_000 + n,
    localRouterId: ip('10.0.0.1'),
    remoteRouterId: address,
    localAddress: ip('10.0.0.1'),
    remoteAddress: address,
    capabilitiesSent: [],
    capabilitiesReceived: [],
  };
  rib.sessionUp(handle, negotiated);
  const peer: Peer = { handle, updateIn: new UpdateIn(rib, handle, negotiated), octets: 0, updates: 0 };
  const port: SessionPort = {
    negotiated,
    isUp: true,
    send(bytes, updates = 0) {
      peer.octets += bytes.length;
      peer.updates += updates;
      return true;
    },
    requestRefresh: () => true,
    markRefresh() {},
    close() {},
    pauseReading() {},
    resumeReading() {},
  };
  out.sessionUp(handle, port);
  return peer;
}

/** Memory that grows in place, which the collector does not count. */
const shared = new Set<WeakRef<SharedArrayBuffer>>();
globalThis.SharedArrayBuffer = class extends globalThis.SharedArrayBuffer {
  constructor(octets: number, options?: { maxByteLength?: number }) {
    super(octets, options);
    shared.add(new WeakRef(this));
  }
} as unknown as SharedArrayBufferConstructor;

/** Octets in use by this process's objects. What was left behind since the event loop was last turned may count. */
function memory(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  let octets = heapUsed + external;
  for (const reference of shared) {
    const buffer = reference.deref();
    if (buffer === undefined) shared.delete(reference);
    else octets += buffer.byteLength;
  }
  return octets;
}

/** A RIB with its peers, through which the table goes again and again: as in a daemon, code is warm from the second time on. */
export class Bench {
  readonly #rib: Rib;
  readonly #out: UpdateOut;
  readonly #tables: readonly TableMessages[];
  readonly #receiver: Peer;
  readonly #policy: Policy;
  readonly #before: number;
  #longest = 0;

  constructor(tables: readonly TableMessages[], policy: Policy) {
    this.#tables = tables;
    this.#policy = policy;
    this.#before = memory();
    this.#rib = new Rib(
      {
        localAs: LOCAL_AS,
        routerId: ip('10.0.0.1'),
        nextHops: { resolve: () => ({ reachable: true }) },
        nowMs: () => performance.now(),
        feedsFib: false,
      },
      { workArrived() {} },
    );
    this.#out = new UpdateOut(this.#rib);
    this.#receiver = addPeer(this.#rib, this.#out, 200, policy);
  }

  /** In, decided and out one after the other, or in turns as the event loop has it; then withdrawn. Milliseconds of CPU, and more. */
  run(inTurns: boolean): Record<string, number> {
    const rib = this.#rib;
    const out = this.#out;
    const result: Record<string, number> = {};
    const timed = (name: string, work: () => void) => {
      const start = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(start);
      result[name] = (user + system) / 1000;
    };
    const senders = this.#tables.map((_, i) => addPeer(rib, out, i + 1, this.#policy));
    const receiver = this.#receiver;
    receiver.octets = 0;
    receiver.updates = 0;
    this.#longest = 0;
    if (inTurns) {
      timed('all', () => {
        for (const [i, table] of this.#tables.entries()) this.#receive(senders[i]!, table, () => this.#turn());
        while (this.#turn());
      });
    } else {
      timed('in', () => {
        for (const [i, table] of this.#tables.entries()) this.#receive(senders[i]!, table, undefined);
      });
      timed('decide', () => {
        while (rib.work(1000));
      });
      timed('out', () => {
        while (out.work(1000));
      });
    }
    result['octets out'] = receiver.octets;
    result['updates out'] = receiver.updates;
    result['memory'] = memory() - this.#before;
    timed('withdraw', () => {
      for (const sender of senders) {
        out.sessionDown(sender.handle);
        rib.sessionDown(sender.handle);
      }
      while (this.#turn());
      while (rib.work(5));
    });
    result['longest'] = this.#longest;
    result['sets left'] = rib.sets.count;
    result['rows left'] = rib.locRib('ipv4-unicast').prefixes.count + rib.locRib('ipv6-unicast').prefixes.count;
    for (const sender of senders) rib.removePeer(sender.handle);
    return result;
  }

  /** A turn of the event loop, apart from I/O. */
  #turn(): boolean {
    const start = performance.now();
    const decided = this.#rib.work(5);
    const packed = this.#out.work(5);
    this.#longest = Math.max(this.#longest, performance.now() - start);
    return decided || packed;
  }

  #receive(sender: Peer, table: TableMessages, afterChunk: (() => void) | undefined): void {
    const { bytes, starts } = table;
    let chunkEnd = CHUNK_OCTETS;
    for (let m = 0; m + 1 < starts.length; m++) {
      const problem = sender.updateIn.receive(bytes, starts[m]! + 19, starts[m + 1]!);
      if (problem !== undefined) throw new Error(JSON.stringify(problem));
      if (afterChunk !== undefined && starts[m + 1]! >= chunkEnd) {
        chunkEnd += CHUNK_OCTETS;
        afterChunk();
      }
    }
  }
}

async function main(): Promise<void> {
  const [prefixes = '1000000', sets = '100000', family = 'v4', senders = '1', filters = 'open'] = process.argv.slice(2);
  const tables = Array.from({ length: Number(senders) }, (_, i) =>
    tableMessages({
      prefixes: Number(prefixes),
      sets: Number(sets),
      peerAs: 100_001 + i,
      nextHop: 0x0a000101 + i,
      ipv6: family === 'v6',
      seed: 12_345,
    }),
  );
  const routes = Number(prefixes) * tables.length;
  const stepNs = Math.min(...Array.from({ length: 5 }, calibrationStepNs));
  console.log(`${tables[0]?.sets} sets, ${tables[0]?.bytes.length} octets; calibration step ${stepNs.toFixed(1)} ns`);
  const bench = new Bench(tables, filters === 'filtered' ? filter : acceptAll);
  for (let n = 0; n < 3; n++) {
    for (const inTurns of [false, true]) {
      await new Promise((resolve) => setImmediate(resolve));
      const result = bench.run(inTurns);
      const parts = ['in', 'decide', 'out', 'all', 'withdraw'].filter((name) => result[name] !== undefined);
      console.log(
        inTurns ? 'in turns: ' : 'in phases:',
        parts
          .map((name) => {
            const ms = result[name] ?? 0;
            return `${name} ${ms.toFixed(0)} ms (${((ms * 1e6) / routes).toFixed(0)} ns, ${((ms * 1e6) / routes / stepNs).toFixed(1)}x)`;
          })
          .join(', '),
        `| longest ${result['longest']?.toFixed(1)} ms, ${((result['memory'] ?? 0) / routes).toFixed(0)} octets/route,`,
        `out ${result['updates out']} updates ${result['octets out']} octets, left ${result['sets left']} sets ${result['rows left']} rows`,
      );
    }
  }
}

if (import.meta.main) await main();
