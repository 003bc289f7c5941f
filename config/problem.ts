/** Something about the configuration that its author should know. An error keeps the configuration from being used. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  /** File name as given, `peers.yaml`; empty for what belongs to no file. */
  readonly file: string;
  /** Number of the document in the file, from 1; absent for what concerns the whole file. */
  readonly document?: number | undefined;
  /** `BGPPeer tor`, as far as it is known. */
  readonly resource?: string | undefined;
  /** Line in the file, from 1. */
  readonly line?: number | undefined;
  /** `spec.holdTime`; empty for the whole document. */
  readonly path: string;
  /** What was seen and what is wanted: `2 s: must be 0 or at least 3 s (RFC 4271 §4.2)`. */
  readonly message: string;
}

/** `peers.yaml: document 2 (BGPPeer tor), line 14: spec.holdTime: 2 s: must be 0 or at least 3 s (RFC 4271 §4.2)`. */
export function formatProblem(problem: Problem): string {
  const where: string[] = [];
  if (problem.document !== undefined) {
    where.push(`document ${problem.document}${problem.resource === undefined ? '' : ` (${problem.resource})`}`);
  } else if (problem.resource !== undefined) {
    where.push(problem.resource);
  }
  if (problem.line !== undefined) where.push(`line ${problem.line}`);
  const parts = [problem.file, where.join(', '), problem.path, problem.message];
  return parts.filter((part) => part !== '').join(': ');
}

/** True if the configuration must not be used. */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

/** Each problem once: a resource that makes many peers has its problems many times. */
export function uniqueProblems(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [formatProblem(problem), problem])).values()];
}

/** `spec.rules[2].cidr` from a path of keys and indexes. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? String(key) : `.${String(key)}`;
  }
  return text;
}

/** The candidate that a misspelt word most likely meant, if one is close enough. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(replace, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
