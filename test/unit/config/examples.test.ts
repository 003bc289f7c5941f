import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatIp } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { compile } from '../../../config/compile.ts';
import { loadConfig } from '../../../config/load.ts';
import { formatProblem } from '../../../config/problem.ts';

const directory = join(import.meta.dirname, '../../../examples');
const files = readdirSync(directory).filter((name) => name.endsWith('.yaml'));

/** Peers of each node, as `NODE: PEER ADDRESS kind, …`. */
const expectedPeers: Readonly<Record<string, readonly string[]>> = {
  'node.yaml': ['node1: tor 10.0.0.1 ebgp'],
  'route-reflector.yaml': ['rr1: node1 10.0.0.11 ibgp client, node2 10.0.0.12 ibgp client'],
  'dual-stack-rack.yaml': [
    'rack1-node1: tor-a 10.1.0.1 ebgp, tor-b 10.1.0.2 ebgp',
    'rack1-node2: tor-a 10.1.0.1 ebgp, tor-b 10.1.0.2 ebgp',
  ],
  'calico-rack-peers.yaml': ['worker-1: rack1-tor 10.0.1.1 ebgp', 'worker-2: rack2-tor 10.0.2.1 ebgp'],
  'calico-route-reflectors.yaml': [
    'control-1: peer-with-route-reflectors/control-2 10.0.0.2 ibgp, peer-with-route-reflectors/worker-1 10.0.0.11 ibgp client, peer-with-route-reflectors/worker-2 10.0.0.12 ibgp client',
    'control-2: peer-with-route-reflectors/control-1 10.0.0.1 ibgp, peer-with-route-reflectors/worker-1 10.0.0.11 ibgp client, peer-with-route-reflectors/worker-2 10.0.0.12 ibgp client',
    'worker-1: peer-with-route-reflectors/control-1 10.0.0.1 ibgp, peer-with-route-reflectors/control-2 10.0.0.2 ibgp',
    'worker-2: peer-with-route-reflectors/control-1 10.0.0.1 ibgp, peer-with-route-reflectors/control-2 10.0.0.2 ibgp',
  ],
};

/** What is said about files that can be used. */
const expectedWarnings: Readonly<Record<string, readonly string[]>> = {
  'calico-rack-peers.yaml': [
    'calico-rack-peers.yaml: document 9 (FelixConfiguration), line 93: is not used by podroute, ignored',
  ],
};

describe.each(files)('%s', (file) => {
  test('loads and compiles for each of its nodes', async () => {
    const { resources, problems } = await loadConfig(join(directory, file));
    expect(problems.map(formatProblem)).toEqual(expectedWarnings[file] ?? []);
    const peers = resources.nodes.map(({ name }) => {
      const result = compile(resources, name);
      if (!result.ok) throw new Error(result.error.map(formatProblem).join('\n'));
      expect(result.value.warnings).toEqual([]);
      const list = result.value.state.peers.map((peer) => {
        return `${peer.name} ${formatIp(peer.address)} ${peer.kind}${peer.routeReflectorClient ? ' client' : ''}`;
      });
      return `${name}: ${list.join(', ')}`;
    });
    expect(peers).toEqual(expectedPeers[file]);
  });

  test('is in the list of examples', () => {
    expect(readFileSync(join(directory, 'README.md'), 'utf8')).toContain(`\`${file}\``);
  });
});

test('the short ones are short', () => {
  for (const file of ['node.yaml', 'route-reflector.yaml']) {
    const lines = readFileSync(join(directory, file), 'utf8').trimEnd().split('\n');
    expect(lines.filter((line) => !line.startsWith('#')).length).toBeLessThanOrEqual(10);
  }
});
