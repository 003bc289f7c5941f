import type { RunResult } from './results.ts';
export function drawCharts(_results: readonly RunResult[], _directory: string): string[] {
  return [];
}
