import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab, type LabHost } from '../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../deploy/lab/podroute.ts';
import { waitFor } from '../support/wait-for.ts';
import { isRoot, resource, yaml } from './lab-daemon.ts';

/**
 * Two nodes on one link whose files say no more than who each is and where the store is: one SQLite file, which daemons of one machine
 * can share. That they know and reach each other comes from the store alone.
 */
describe.skipIf(!isRoot)('two nodes that share a store', () => {
  let lab: Lab;
  const hosts: LabHost[] = [];
  const nodes: Podroute[] = [];
  const pods: LabHost[] = [];
  const addresses: string[][] = [];

  const configuration = (n: number) =>
    yaml(
      resource('Speaker', 'default', { datastore: { sqlite: { path: join(lab.directory, 'shared.db') } } }),
      resource('Node', `node${n}`, { asNumber: 64512, ipv4Address: `10.0.0.${n}/24`, ipv6Address: `fd00::${n}/64` }),
      // As every member has it, whoever came first.
      resource('IPPool', 'v4', { cidr: '10.244.0.0/16' }),
      resource('IPPool', 'v6', { cidr: 'fd00:10:244::/48' }),
    );

  const established = (node: Podroute) =>
    node
      .bgpctlJson<{ peers: { name: string; state: string }[] }>('show', 'peers')
      .peers.filter(({ state }) => state === 'Established')
      .map(({ name }) => name);
  const blocks = (node: Podroute) =>
    node.bgpctlJson<{ blocks: { prefix: string }[] }>('show', 'blocks').blocks.map(({ prefix }) => prefix);

  beforeAll(() => {
    lab = new Lab('clu');
    const between = lab.host('switch');
    between.ip('link add br0 type bridge');
    between.ip('link set br0 up');
    for (const n of [1, 2]) {
      const host = lab.host(`node${n}`);
      lab.link(between, `node${n}`, [], host, 'eth0', [`10.0.0.${n}/24`, `fd00::${n}/64`]);
      between.ip(`link set node${n} master br0`);
      hosts.push(host);
      pods.push(lab.host(`pod${n}`));
    }
    for (const [i, host] of hosts.entries()) nodes.push(startPodroute(host, configuration(i + 1)));
  });

  afterAll(() => lab?.close());

  test('they find each other and peer', async () => {
    await waitFor(
      'a session to the other node on both',
      () => nodes.every((node, i) => established(node).includes(`mesh/node${2 - i}`)),
      30_000,
    );
  });

  test('each claims blocks of its own, and pods reach each other', async () => {
    await waitFor('a block of each family on both', () => nodes.every((node) => blocks(node).length === 2), 20_000);
    const all = nodes.flatMap(blocks);
    expect(new Set(all).size).toBe(4);
    for (const [i, node] of nodes.entries()) {
      const added = node.cni('ADD', { id: `pod${i + 1}`, netns: (pods[i] as LabHost).namespacePath });
      expect(added.status, added.stdout + added.stderr).toBe(0);
      const { ips } = JSON.parse(added.stdout) as { ips: { address: string }[] };
      addresses.push(ips.map(({ address }) => address.split('/')[0] as string));
    }
    for (const address of addresses[1] as string[]) {
      await waitFor(`an answer from ${address}`, () => (pods[0] as LabHost).pings(address), 15_000);
    }
  });

  test('a restarted node has the same blocks, and its pod never lost them', async () => {
    const before = blocks(nodes[0] as Podroute).sort();
    await nodes[0]?.process.stop('SIGKILL');
    nodes[0]?.restart();
    await waitFor('the daemon answers', () => nodes[0]?.tryBgpctl('health').status === 0, 20_000);
    await waitFor(
      'the same blocks',
      () =>
        blocks(nodes[0] as Podroute)
          .sort()
          .join() === before.join(),
      20_000,
    );
    for (const address of addresses[1] as string[]) {
      await waitFor(`an answer from ${address}`, () => (pods[0] as LabHost).pings(address), 20_000);
    }
  });
});
