/** Outcome of one scenario with one daemon: passed after so many seconds, failed, or why it cannot be had. */
interface Row {
  readonly scenario: string;
  readonly daemon: string;
  readonly outcome: string;
}

/** Collects what was tried with whom, and prints it as one table. */
export class Summary {
  readonly #title: string;
  readonly #scenarios: readonly string[];
  readonly #daemons: readonly string[];
  readonly #rows: Row[] = [];

  /** Scenarios are lines and daemons columns of the table, in this order. */
  constructor(title: string, scenarios: readonly string[], daemons: readonly string[]) {
    this.#title = title;
    this.#scenarios = scenarios;
    this.#daemons = daemons;
  }

  /** Runs one scenario and notes how it went. */
  async run(scenario: string, daemon: string, body: () => Promise<string | undefined>): Promise<void> {
    const start = performance.now();
    try {
      const note = await body();
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      this.#rows.push({ scenario, daemon, outcome: `ok ${seconds} s${note ? ` (${note})` : ''}` });
    } catch (error) {
      this.#rows.push({ scenario, daemon, outcome: 'FAILED' });
      throw error;
    }
  }

  /** Notes a scenario that a daemon cannot take part in, and why. */
  impossible(scenario: string, daemon: string, reason: string): void {
    this.#rows.push({ scenario, daemon, outcome: reason });
  }

  /** The table: a line per scenario, a column per daemon. */
  text(): string {
    const outcome = (scenario: string, daemon: string): string =>
      this.#rows.find((row) => row.scenario === scenario && row.daemon === daemon)?.outcome ?? '-';
    const table = [
      [this.#title, ...this.#daemons],
      ...this.#scenarios.map((scenario) => [scenario, ...this.#daemons.map((daemon) => outcome(scenario, daemon))]),
    ];
    const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
    return table.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')).join('\n');
  }

  /** Writes the table past the test runner's own report. */
  print(): void {
    process.stdout.write(`\n${this.text()}\n\n`);
  }
}
