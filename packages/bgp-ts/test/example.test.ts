import { expect, test, vi } from 'vitest';

test('the example runs', async () => {
  const lines: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  await import('../examples/decode-update.ts');
  log.mockRestore();
  expect(lines).toEqual([
    'ORIGIN: IGP',
    'AS_PATH: 64512 65536',
    'NEXT_HOP: 192.0.2.1',
    'COMMUNITIES: no-export',
    'reachable: 198.51.100.0/24',
    'reachable: 203.0.113.0/24',
  ]);
});
