import type { DaemonName, NeighborOptions } from './daemons/daemon.ts';
import type { Chain } from './lab/chain.ts';
import type { Meeting, PairKind } from './lab/pair.ts';

/** Parts of the table, in its order, with their headings. */
export const subjects = {
  sessions: 'Sessions',
  capabilities: 'Capabilities',
  attributes: 'Attributes',
  policy: 'Policy',
  fabric: 'Fabric',
  reflection: 'Reflection and confederations',
  'add-path': 'ADD-PATH',
  errors: 'Errors',
} as const;
export type Subject = keyof typeof subjects;

/** A short word on how it went, the same in every run: no times, no counts that depend on timing. */
export type Note = string | undefined;

interface ScenarioBase {
  readonly subject: Subject;
  /** One line of the table; unique within its subject. */
  readonly name: string;
  /** `RFC 4271 §6.8`, where one section says it. */
  readonly rfc?: string;
  /** Daemons that cannot take part, and why: what they lack, in the words of the table's cell. */
  readonly lacks?: Partial<Record<DaemonName, string>>;
}

/** What a line of the table says of itself, out of something that says more. */
export function headOf({ subject, name, rfc, lacks }: ScenarioBase): ScenarioBase {
  return { subject, name, ...(rfc === undefined ? {} : { rfc }), ...(lacks === undefined ? {} : { lacks }) };
}

/** Has a network and two speakers of its own. */
export interface ChainScenario extends ScenarioBase {
  readonly on: 'own network';
  run(daemon: DaemonName): Promise<Note>;
}

/** One thing after the other in the life of one session, in the order of the table. */
export interface StepScenario extends ScenarioBase {
  readonly on: 'one session';
  run(chain: Chain): Promise<Note>;
}

/** A session of its own beside those of other scenarios, between one podrouted and one daemon. */
export interface PairScenario extends ScenarioBase {
  readonly on: 'shared network';
  readonly kind: PairKind;
  readonly transport?: 'ipv4' | 'ipv6';
  /** Laid over podrouted's BGPPeer. */
  readonly node?: Readonly<Record<string, unknown>>;
  /** Rules of a BGPFilter that come before the one that lets the scenario's routes out. */
  readonly nodeExport?: readonly Readonly<Record<string, unknown>>[];
  /** Rules for what the daemon sends; what they leave open is accepted. */
  readonly nodeImport?: readonly Readonly<Record<string, unknown>>[];
  /** Further documents of podroute.io/v1, such as sets that rules name. */
  readonly nodeDocuments?: readonly Readonly<Record<string, unknown>>[];
  /** Laid over what the daemon is told of the session. */
  readonly peer?: Partial<NeighborOptions>;
  run(meeting: Meeting): Promise<Note>;
}

/** One line of the table. */
export type Scenario = ChainScenario | StepScenario | PairScenario;
