import type { ApiProblem } from '../lib/api.ts';
import { printable } from './format.ts';

/** `podroute.yaml, document 2: spec.peerIP: not an address`. */
export function formatProblem(problem: ApiProblem): string {
  const place = [problem.file, problem.document === undefined ? undefined : `document ${problem.document}`]
    .filter((word) => word !== undefined)
    .join(', ');
  return printable(
    [place, problem.path, problem.message].filter((word) => word !== undefined && word !== '').join(': '),
  );
}
