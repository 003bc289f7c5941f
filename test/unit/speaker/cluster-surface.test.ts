import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type ConfigurationSource, readConfiguration } from '../../../config/read.ts';
import { sharedNode } from '../../../config/shared.ts';
import type { ApiResource } from '../../../lib/api-cluster.ts';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { ClusterSurface } from '../../../speaker/api/control-surface.ts';
import { ControlError } from '../../../speaker/api/control-surface.ts';
import { Cluster } from '../../../speaker/cluster/cluster.ts';
import { clusterSurface } from '../../../speaker/cluster/surface.ts';
import { waitFor } from '../../support/wait-for.ts';

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));
let directory: string;
let cluster: Cluster;
let surface: ClusterSurface;

/** A daemon's part of the cluster: its own file says only who it is. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-cluster-'));
  const file = join(directory, 'node.yaml');
  const self =
    'apiVersion: podroute.io/v1\nkind: Node\nmetadata: { name: self }\nspec: { asNumber: 64512, ipv4Address: 10.9.0.1/24 }\n';
  writeFileSync(file, self);
  const source: ConfigurationSource = { path: file, node: 'self', hostname: 'self' };
  const { state } = await readConfiguration(source);
  cluster = await Cluster.open({
    datastore: { graceSeconds: 600, place: { type: 'default' } },
    stateDirectory: join(directory, 'state'),
    clock: systemClock,
    log: silentLogger,
    self: () => sharedNode(state.node),
    changed() {},
    registered() {},
  });
  cluster.start();
  surface = clusterSurface({
    clock: systemClock,
    source,
    cluster,
    cni: undefined,
    addresses: { reply: () => [] },
    state: () => state,
    blocks: () => undefined,
    claimed: () => [],
  });
});
afterEach(async () => {
  await cluster.close();
  rmSync(directory, { recursive: true, force: true });
});

const example = (name: string) => readFileSync(join(examples, name), 'utf8');
const apply = (text: string, force = false) =>
  surface.apply({ files: [{ name: 'given.yaml', text }], dryRun: false, force });

/** The paths of all values that a manifest's spec has. */
function pathsOf(value: unknown, path: string): string[] {
  if (Array.isArray(value)) {
    return value.some((item) => typeof item === 'object')
      ? value.flatMap((item, i) => pathsOf(item, `${path}[${i}]`))
      : [path];
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, `${path}.${key}`));
  }
  return value === undefined || value === null ? [] : [path];
}

describe("Calico's manifests, applied unmodified", () => {
  test.each(['calico-rack-peers.yaml', 'calico-route-reflectors.yaml'])(
    '%s: get tells how each field was understood',
    async (name) => {
      const text = example(name);
      const reply = await apply(text);
      expect(reply.applied).toBe(true);
      const documents = parseAllDocuments(text).map(
        (document) => document.toJS() as { kind: string; metadata: { name: string }; spec?: object },
      );
      await waitFor('all of them are in force', () => cluster.resources.documents().length === reply.changes.length);
      const { resources } = await surface.resources({});
      for (const { kind, metadata, spec } of documents) {
        // Kinds that have nothing to do with routing are passed over with a warning.
        if (!reply.changes.some((change) => change.kind === kind && change.name === metadata.name)) continue;
        const found = resources.find((one) => one.kind === kind && one.name === metadata.name);
        expect(found, `${kind} ${metadata.name}`).toMatchObject({ source: 'store' });
        expect(found?.fields.map(({ path }) => path)).toEqual(pathsOf(spec, 'spec'));
      }
    },
  );

  test('values as podroute understands them', async () => {
    await apply(example('calico-rack-peers.yaml'));
    await waitFor('it is in force', () => cluster.resources.documents().length > 3);
    const { resources } = await surface.resources({ kind: 'bgppeers', name: 'rack1-tor' });
    const [peer] = resources as [ApiResource];
    const values = Object.fromEntries(peer.fields.map(({ path, value }) => [path, value]));
    expect(values).toMatchObject({
      'spec.peerIP': '10.0.1.1',
      'spec.asNumber': '65001',
      'spec.keepaliveTime': '10',
      'spec.filters': 'no-default-route',
    });
    expect(peer.text).toContain('kind: BGPPeer');
  });

  test('what is ignored carries the reason', async () => {
    const text =
      'apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: { name: a }\nspec: { peerIP: 192.0.2.1, asNumber: 65001, newField: 1 }\n';
    const reply = await apply(text);
    expect(reply.warnings.map(({ path }) => path)).toContain('spec.newField');
    await waitFor('it is in force', () => cluster.resources.documents().length === 1);
    const { resources } = await surface.resources({ kind: 'BGPPeer' });
    expect(resources[0]?.fields.find(({ path }) => path === 'spec.newField')?.note).toContain('ignored');
  });
});

test('a resource that breaks another node is refused for that node, and nothing is written', async () => {
  const second =
    'apiVersion: podroute.io/v1\nkind: Node\nmetadata: { name: b }\nspec: { asNumber: 64512, ipv4Address: 10.9.0.1/24 }\n';
  const refused = await Promise.resolve(apply(second)).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ControlError);
  expect((refused as ControlError).code).toBe('invalid-config');
  expect((refused as ControlError).problems.map(({ message }) => message).join()).toContain('also the address of Node');
  expect(cluster.resources.documents()).toEqual([]);
});

test('what would cut nodes off is refused, unless it is forced', async () => {
  const second =
    'apiVersion: podroute.io/v1\nkind: Node\nmetadata: { name: b }\nspec: { asNumber: 64512, ipv4Address: 10.9.0.2/24 }\n';
  await apply(second);
  await waitFor('it is in force', () => cluster.resources.documents().length === 1);
  const noMesh =
    'apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: { name: default }\nspec: { nodeToNodeMeshEnabled: false, asNumber: 64512 }\n';
  const refused = await Promise.resolve(apply(noMesh)).catch((error: unknown) => error);
  expect((refused as ControlError).problems[0]?.message).toContain('b would no longer have the routes of self');
  expect((await cluster.store.list('resources/BGPConfiguration')).entries).toEqual([]);
  expect((await apply(noMesh, true)).applied).toBe(true);
});

test('plan: what a change would do, without doing it', async () => {
  const second =
    'apiVersion: podroute.io/v1\nkind: Node\nmetadata: { name: b }\nspec: { asNumber: 64512, ipv4Address: 10.9.0.2/24 }\n';
  const reply = await surface.plan({ files: [{ name: 'given.yaml', text: second }] });
  expect(reply.nodes).toMatchObject([
    { node: 'b', sessions: [{ peer: 'mesh/self', action: 'add' }], gained: ['self'] },
    { node: 'self', sessions: [{ peer: 'mesh/b', action: 'add' }], gained: ['b'] },
  ]);
  expect(reply.disconnected).toEqual([]);
  expect((await cluster.store.list('resources/')).entries).toEqual([]);
  const bad = await Promise.resolve(
    surface.plan({ files: [{ name: 'given.yaml', text: second.replace('10.9.0.2', '10.9.0.1') }] }),
  ).catch((error: unknown) => error);
  expect((bad as ControlError).problems.map(({ message }) => message).join()).toContain('also the address of Node');
});

test('node: registered, with the store and everybody in it', async () => {
  const reply = await waitFor('the registration', async () => {
    const seen = await surface.node();
    return seen.nodes.length === 1 && seen.registration.state === 'registered' ? seen : undefined;
  });
  expect(reply).toMatchObject({
    node: { name: 'self', asn: 64512, ipv4Address: '10.9.0.1' },
    store: { type: 'sqlite' },
  });
  expect(reply.nodes[0]).toMatchObject({ name: 'self', asn: 64512 });
});

test('ipam check: an overlap and a record that cannot be read are found', async () => {
  const record = (pool: string) =>
    JSON.stringify({ pool, holder: { state: 'owned', owner: 'x' }, sequence: 1, lendable: [], lent: {} });
  await cluster.store.commit([
    { type: 'put', key: 'blocks/v4/10.0.0.0-24', value: record('10.0.0.0/16'), expect: 'absent' },
    { type: 'put', key: 'blocks/v4/10.0.0.64-26', value: record('10.0.0.0/16'), expect: 'absent' },
    { type: 'put', key: 'blocks/v4/10.0.1.0-24', value: '{}', expect: 'absent' },
  ]);
  const reply = await surface.ipamCheck();
  expect(reply.isClean).toBe(false);
  expect(reply.problems).toEqual([
    expect.stringContaining('blocks/v4/10.0.1.0-24'),
    'block 10.0.0.64/26 overlaps block 10.0.0.0/24',
  ]);
});
