import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../deploy/lab/podroute.ts';
import type { DaemonName } from './daemons/daemon.ts';
import type { Note, Scenario, Subject } from './scenario.ts';

/** Outcome of one scenario with one daemon. */
export interface Row {
  readonly subject: Subject;
  readonly scenario: string;
  readonly rfc?: string;
  readonly outcome: 'passed' | 'failed' | 'lacks' | 'not run';
  /** How it went, or what the daemon lacks. */
  readonly note?: string;
}

/** What one daemon's run left for the table. */
export interface DaemonResults {
  readonly daemon: DaemonName;
  /** As the daemon itself says it. */
  readonly version: string;
  /** A row for each scenario, in the order of the table. */
  readonly rows: readonly Row[];
}

/** Directory that the runs of the daemons leave their results in. */
export const resultsDirectory = join(projectRoot, 'build/interop');

/** Collects what was tried with one daemon. */
export class Results {
  readonly #daemon: DaemonName;
  readonly #scenarios: readonly Scenario[];
  readonly #rows = new Map<Scenario, Row>();

  constructor(daemon: DaemonName, scenarios: readonly Scenario[]) {
    this.#daemon = daemon;
    this.#scenarios = scenarios;
  }

  /** Runs one scenario and notes how it went. */
  async run(scenario: Scenario, body: () => Promise<Note>): Promise<void> {
    try {
      this.#set(scenario, 'passed', await body());
    } catch (error) {
      this.#set(scenario, 'failed');
      throw error;
    }
  }

  /** Notes a scenario that the daemon cannot take part in, and why. */
  lacks(scenario: Scenario, reason: string): void {
    this.#set(scenario, 'lacks', reason);
  }

  #set(scenario: Scenario, outcome: Row['outcome'], note?: string): void {
    const { subject, name, rfc } = scenario;
    this.#rows.set(scenario, {
      subject,
      scenario: name,
      ...(rfc === undefined ? {} : { rfc }),
      outcome,
      ...(note === undefined ? {} : { note }),
    });
  }

  /** Leaves the results where `readResults` finds them. */
  save(version: string): void {
    const rows = this.#scenarios.map(
      (scenario): Row =>
        this.#rows.get(scenario) ?? { subject: scenario.subject, scenario: scenario.name, outcome: 'not run' },
    );
    const results: DaemonResults = { daemon: this.#daemon, version, rows };
    mkdirSync(resultsDirectory, { recursive: true });
    writeFileSync(join(resultsDirectory, `${this.#daemon}.json`), `${JSON.stringify(results, undefined, 2)}\n`);
  }
}

/** What the last run with this daemon left; undefined if there is none. */
export function readResults(daemon: DaemonName): DaemonResults | undefined {
  try {
    return JSON.parse(readFileSync(join(resultsDirectory, `${daemon}.json`), 'utf8')) as DaemonResults;
  } catch {
    return undefined;
  }
}
