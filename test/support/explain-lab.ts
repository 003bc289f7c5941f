import { expect } from 'vitest';
import { type ExplainReply, explainReplySchema } from '../../lib/api-explain.ts';
import { preparePolicy } from '../../rib/policy/evaluate.ts';
import type { PolicySpec } from '../../rib/policy/policy.ts';
import type { RibPeerSettings } from '../../rib/types.ts';
import type { PeerFacts } from '../../speaker/api/peer-view.ts';
import { Control, type ForwardingReading } from '../../speaker/control.ts';
import { type EndOptions, SpeakerLab, type SpeakerOptions, type TestSpeaker } from './speaker-lab.ts';

/** The prefix asked for. */
export const P = '203.0.113.0/24';
/** A policy by name. */
export const accept: PeerFacts['importPolicy'] = { mode: 'configured', names: ['in'] };

/** All speakers of a test. */
export let lab: SpeakerLab;
/** The speaker that is asked. */
export let node: TestSpeaker;
/** What the configuration says of peers, by name. */
export let facts: Map<string, Partial<PeerFacts>>;
let forwarding: ForwardingReading | undefined;

/** The control API of the node. */
export function control(): Control {
  return new Control({
    clock: lab.clock,
    startedMs: 0,
    rib: node.rib,
    speaker: node.speaker,
    node: () => ({ name: 'node1', asn: node.asn, routerId: node.name }),
    peerFacts: (name) => ({
      description: undefined,
      routeReflectorClient: false,
      nextHop: 'auto',
      maxPrefix: undefined,
      importPolicy: accept,
      exportPolicy: accept,
      ...facts.get(name),
    }),
    forwarding,
    pods: () => [],
    blocks: () => [],
    reload: async () => ({ applied: false, changes: [], resets: [], warnings: [] }),
    health: () => ({ ready: true, checks: [] }),
    eventLoop: {
      delay: () => ({
        elapsedMs: 1,
        busyShare: 0,
        p50Ms: 0,
        p99Ms: 0,
        maxMs: 0,
        cpu: { busyShare: 0, p99Ms: 0, maxMs: 0 },
      }),
      reset: () => {},
    },
    wake: () => node.loop.wake(),
  });
}

/** The explanation, which must be of the documented shape with nothing beside. */
export async function explain(asked: string, peer?: TestSpeaker): Promise<ExplainReply> {
  const reply = await control().explain({ prefix: asked, ...(peer === undefined ? {} : { peer: peer.name }) });
  expect(explainReplySchema.parse(reply)).toEqual(reply);
  return reply;
}

/** Another speaker with a session to the node. */
export function neighbour(
  options: SpeakerOptions,
  ends: { readonly node?: EndOptions; readonly theirs?: EndOptions } = {},
): TestSpeaker {
  const one = lab.speaker(options);
  lab.connect(node, one, ends.node, ends.theirs);
  return one;
}

/** An end of a session with settings of the tables. */
export function ribEnd(rib: Partial<RibPeerSettings>): EndOptions {
  return { rib };
}

/** A policy of terms, and what becomes of a route that none of them takes. */
export function policy(terms: PolicySpec['terms'], fallback: 'accept' | 'reject' = 'accept') {
  return preparePolicy({ name: 'p', terms, default: fallback, defaultName: `p: default ${fallback}` });
}

/** Begins anew: call it before each test. */
export function resetLab(options: SpeakerOptions = { asn: 65001 }): void {
  lab = new SpeakerLab();
  node = lab.speaker(options);
  facts = new Map();
  forwarding = undefined;
}

/** Gives the node a kernel. */
export function setForwarding(reading: ForwardingReading): void {
  forwarding = reading;
}
