/**
 * Micro-benchmark of the tables: a full table in, decided, packed out to one peer, and withdrawn again. Prints time per route and as a ratio
 * to a calibration loop of this run, and octets per route. `node --expose-gc test/bench/rib.ts [prefixes] [sets] [v4|v6] [senders]`
 */
import { ip, type SessionContext } from 'bgp-ts';
import { acceptAll } from '../../rib/policy/evaluate.ts';
import { type PeerHandle, Rib } from '../../rib/rib.ts';
import type { Negotiated } from '../../speaker/negotiate.ts';
import type { SessionPort } from '../../speaker/peer-handlers.ts';
import { UpdateIn } from '../../speaker/update-in.ts';
import { UpdateOut } from '../../speaker/update-out.ts';
import { randomSource, type TableMessages, tableMessages } from './rib-table.ts';

const LOCAL_AS = 64999;
const CHUNK_OCTETS = 64 << 10;

interface Peer {
  readonly handle: PeerHandle;
  readonly updateIn: UpdateIn;
  octets: number;
  updates: number;
}

/** Milliseconds for a fixed amount of typed-array work: what this machine is like just now. */
function calibrate(): number {
  const random = randomSource(7);
  const table = new Int32Array(1 << 21);
  const start = process.cpuUsage();
  for (let i = 0; i < 4_000_000; i++) {
    const at = (random() * table.length) | 0;
    table[at] = table[at]! + i;
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function addPeer(rib: Rib, out: UpdateOut, n: number): Peer {
  const address = ip(`10.0.1.${n}`);
  const handle = rib.addPeer({
    name: `peer${n}`,
    address,
    kind: 'ebgp',
    remoteAs: 100_000 + n,
    localAs: LOCAL_AS,
    importPolicy: acceptAll,
    exportPolicy: acceptAll,
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
    kind: 'ebgp',
    families: new Set(['ipv4-unicast', 'ipv6-unicast']),
    routeRefresh: true,
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
    close() {},
    pauseReading() {},
    resumeReading() {},
  };
  out.sessionUp(handle, port);
  return peer;
}

function memory(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** One run; times in milliseconds of CPU, garbage collection included, but `longest`, which is what a clock showed. */
function run(tables: readonly TableMessages[], interleaved: boolean): Record<string, number> {
  const before = memory();
  const rib = new Rib(
    {
      localAs: LOCAL_AS,
      routerId: ip('10.0.0.1'),
      nextHops: { resolve: () => ({ reachable: true }) },
      nowMs: () => performance.now(),
      feedsFib: false,
    },
    { workArrived() {} },
  );
  const out = new UpdateOut(rib);
  const senders = tables.map((_, i) => addPeer(rib, out, i + 1));
  const receiver = addPeer(rib, out, 200);
  while (rib.work(5) || out.work(5));
  const result: Record<string, number> = {};
  const timed = (name: string, work: () => void) => {
    const start = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(start);
    result[name] = (user + system) / 1000;
  };
  let longest = 0;
  const receiveAll = (afterChunk: () => void) => {
    for (const [i, table] of tables.entries()) {
      const sender = senders[i]!;
      let chunkEnd = CHUNK_OCTETS;
      for (let m = 0; m + 1 < table.starts.length; m++) {
        const problem = sender.updateIn.receive(table.bytes, table.starts[m]! + 19, table.starts[m + 1]!);
        if (problem !== undefined) throw new Error(JSON.stringify(problem));
        if (table.starts[m + 1]! >= chunkEnd) {
          chunkEnd += CHUNK_OCTETS;
          const start = performance.now();
          afterChunk();
          longest = Math.max(longest, performance.now() - start);
        }
      }
    }
    while (rib.work(5) || out.work(5));
  };
  if (interleaved) {
    timed('all', () =>
      receiveAll(() => {
        rib.work(5);
        out.work(5);
      }),
    );
  } else {
    timed('in', () => {
      for (const [i, table] of tables.entries()) {
        const sender = senders[i]!;
        for (let m = 0; m + 1 < table.starts.length; m++) {
          sender.updateIn.receive(table.bytes, table.starts[m]! + 19, table.starts[m + 1]!);
        }
      }
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
  result['memory'] = memory() - before;
  timed('withdraw', () => {
    for (const sender of senders) {
      out.sessionDown(sender.handle);
      rib.sessionDown(sender.handle);
    }
    for (;;) {
      const start = performance.now();
      const more = [rib.work(5), out.work(5)];
      longest = Math.max(longest, performance.now() - start);
      if (!more.includes(true)) break;
    }
    while (rib.work(5));
  });
  result['longest'] = longest;
  result['sets left'] = rib.sets.count;
  result['rows left'] = rib.locRib('ipv4-unicast').prefixes.count + rib.locRib('ipv6-unicast').prefixes.count;
  return result;
}

const [prefixes = '1000000', sets = '100000', family = 'v4', senders = '1'] = process.argv.slice(2);
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
const calibration = Math.min(calibrate(), calibrate(), calibrate());
console.log(`${tables[0]?.sets} sets, ${tables[0]?.bytes.length} octets; calibration ${calibration.toFixed(0)} ms`);
for (let n = 0; n < 3; n++) {
  for (const interleaved of [false, true]) {
    const result = run(tables, interleaved);
    const parts = ['in', 'decide', 'out', 'all', 'withdraw'].filter((name) => result[name] !== undefined);
    console.log(
      interleaved ? 'interleaved:' : 'in phases:  ',
      parts
        .map((name) => {
          const ms = result[name] ?? 0;
          return `${name} ${ms.toFixed(0)} ms (${((ms * 1e6) / routes).toFixed(0)} ns, ${(ms / calibration).toFixed(2)}x)`;
        })
        .join(', '),
      `| longest ${result['longest']?.toFixed(1)} ms, ${((result['memory'] ?? 0) / routes).toFixed(0)} octets/route,`,
      `out ${result['updates out']} updates ${result['octets out']} octets, left ${result['sets left']} sets ${result['rows left']} rows`,
    );
  }
}
