import { readFileSync } from 'node:fs';
import { fromHex, toHex } from 'bgp-ts';
import { generateFrame } from './generate-frame.ts';
import { generateOpen, goodOpen } from './generate-open.ts';
import { generateUpdate, prefixes, type Sender } from './generate-update.ts';
import { mutateOctets, mutateUpdate } from './mutate.ts';
import type { Random } from './random.ts';
import { targets } from './targets.ts';
import { writeAttribute, writeUpdate } from './wire.ts';

/** Octets that broke a promise, and how. */
export interface Finding {
  readonly target: string;
  readonly hex: string;
  readonly problem: string;
}

/** One line of `corpus/*.jsonl`. */
export interface CorpusEntry {
  /** A target, or `message` for a whole one with its header. */
  readonly target: string;
  readonly hex: string;
  /** Where it comes from, or what it broke once. */
  readonly note: string;
}

/** Longest a target may take for one input of at most 64 KiB. Generous: the machine may be busy. */
const LIMIT_MS = 2000;

/** Real messages of other implementations, and inputs that broke something once. */
export function readCorpus(): CorpusEntry[] {
  return ['real.jsonl', 'regressions.jsonl'].flatMap((file) =>
    readFileSync(new URL(`corpus/${file}`, import.meta.url), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as CorpusEntry),
  );
}

/** Runs one target on one input. */
export function runTarget(target: string, octets: Uint8Array): Finding | undefined {
  const started = performance.now();
  try {
    targets[target]?.(octets);
  } catch (error) {
    return {
      target,
      hex: toHex(octets),
      problem: error instanceof Error ? `${error.message}\n${error.stack}` : String(error),
    };
  }
  const ms = performance.now() - started;
  return ms > LIMIT_MS ? { target, hex: toHex(octets), problem: `took ${Math.round(ms)} ms` } : undefined;
}

/** Random inputs for all targets in turn until `untilMs` (of `performance.now`) or `most` inputs; the first finding ends it. */
export function fuzzDecoders(
  random: Random,
  limits: { readonly untilMs: number; readonly most: number },
  counts: Map<string, number>,
): Finding | undefined {
  const names = Object.keys(targets);
  const seeds = readCorpus().map(({ hex }) => fromHex(hex));
  for (let n = 0; n < limits.most && performance.now() < limits.untilMs; n++) {
    // UPDATEs have the most structure, and the most that can be wrong.
    const name = random.once(3) ? 'update' : (names[n % names.length] as string);
    const finding = runTarget(name, inputFor(name, random, seeds));
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (finding !== undefined) return finding;
  }
  return undefined;
}

function inputFor(target: string, random: Random, seeds: readonly Uint8Array[]): Uint8Array {
  const sender = senderFor(random);
  if (random.once(12)) return Uint8Array.from(random.octets(random.below(200)));
  switch (target) {
    case 'update': {
      if (random.once(5)) return mutateOctets(random, random.pick(seeds).subarray(19));
      const update = generateUpdate(random, sender);
      return Uint8Array.from(writeUpdate(random.once(4) ? update : mutateUpdate(random, update).update));
    }
    case 'attributes':
      return Uint8Array.from(
        mutateUpdate(random, generateUpdate(random, sender)).update.attributes.flatMap(writeAttribute),
      );
    case 'open':
      return some(random, Uint8Array.from(generateOpen(random, greeter, 64999).body));
    case 'capabilities':
      return some(random, Uint8Array.from(generateOpen(random, greeter, 64999).body.slice(12)));
    case 'framing':
      return some(random, Uint8Array.from([...generateFrame(random, goodOpen(greeter)).octets, ...random.pick(seeds)]));
    case 'message':
      return some(random, random.pick(seeds).subarray(18));
    case 'notification':
    case 'route-refresh':
      return some(random, random.pick(seeds).subarray(19));
    default: {
      if (target.startsWith('nlri ')) {
        const octets = prefixes(random, target.includes('ipv4') ? 4 : 6, target.includes('path ids'), 0);
        return some(random, Uint8Array.from(octets));
      }
      const code = random.pick(generateUpdate(random, sender).attributes.concat({ flags: 0, code: 0, value: [] }));
      return some(random, Uint8Array.from([random.below(256), ...code.value]));
    }
  }
}

/** As it is, or changed. */
function some(random: Random, octets: Uint8Array): Uint8Array {
  return random.once(3) ? octets : mutateOctets(random, octets);
}

const greeter = { asn: 64512, identifier: '10.0.0.1' };

function senderFor(random: Random): Sender {
  const [addPath4, addPath6] = [random.once(2), random.once(2)];
  const context = { kind: random.pick(['ebgp', 'ibgp'] as const), fourOctetAs: !random.once(3), addPath4, addPath6 };
  const nextHop6 = [0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), 9];
  return { context, asn: 64512, nextHop4: [10, 9, 0, 9], nextHop6 };
}
