import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compile } from '../../../config/compile.ts';
import { parseResources } from '../../../config/load.ts';
import { toResourceSet } from '../../../config/resource-set.ts';

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const configurations = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');

test('the README shows a route reflector and a node, of ten lines at most', () => {
  expect(configurations).toHaveLength(2);
  for (const text of configurations) expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(10);
});

test.each([
  ['route reflector', 0, 'rr1', { dynamicPeers: 1, peers: 0, blocks: 0, isReflector: true }],
  ['node', 1, 'node1', { dynamicPeers: 0, peers: 1, blocks: 2, isReflector: false }],
] as const)('the configuration of a %s in the README has no problem', (_name, index, node, expected) => {
  const { resources, problems } = parseResources([{ name: 'README.md', text: configurations[index] ?? '' }]);
  expect(problems).toEqual([]);
  const compiled = compile(toResourceSet(resources, new Map()), node);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  expect(compiled.value.warnings).toEqual([]);
  const { state } = compiled.value;
  expect({
    dynamicPeers: state.dynamicPeers.length,
    peers: state.peers.length,
    blocks: state.blocks.length,
    isReflector: state.node.clusterId !== undefined,
  }).toEqual(expected);
});
