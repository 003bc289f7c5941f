import type { DaemonName } from './daemons/daemon.ts';
import type { Chain } from './lab/chain.ts';

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

/** One line of the table. */
export type Scenario = ChainScenario | StepScenario;
