import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../deploy/lab/lab.ts';
import {
  addPod,
  buildTwoRacks,
  type LabNode,
  type LabPod,
  rackAddresses,
  type TwoRacks,
} from '../../deploy/lab/topology.ts';
import type { PeersReply, ReloadReply } from '../../lib/api.ts';
import type { Block, Pod } from '../../lib/api-pods.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  ask,
  bgpctl,
  expectNoBugs,
  isRoot,
  kernelRoute,
  kernelRoutes,
  prefixesOf,
  waitForNoRoute,
  waitForPeers,
  waitForRoute,
} from './lab-daemon.ts';

/** `ip monitor route` of both families in a host, collected until it is stopped. */
function monitorRoutes(node: LabNode): { lines(): string[]; stop(): void } {
  const [command = '', ...args] = node.host.enter(['ip', 'monitor', 'route']);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  return { lines: () => text.split('\n').filter((line) => line !== ''), stop: () => void child.kill('SIGKILL') };
}

describe.skipIf(!isRoot)('two racks behind a real router', () => {
  let lab: Lab;
  let racks: TwoRacks;
  let node1: LabNode;
  let node2: LabNode;
  let pod1: LabPod;
  let pod2: LabPod;
  const [rack1, rack2] = [rackAddresses(1), rackAddresses(2)];
  const blocks = [rack1.podsIpv4, rack1.podsIpv6, rack2.podsIpv4, rack2.podsIpv6];

  beforeAll(async () => {
    lab = new Lab('drk');
    racks = buildTwoRacks(lab);
    [node1, node2] = racks.nodes as [LabNode, LabNode];
    for (const node of racks.nodes) await waitForPeers(node.podroute);
    pod1 = addPod(lab, node1, 'pod1');
    pod2 = addPod(lab, node2, 'pod2');
  });

  afterAll(async () => {
    await lab.close();
  });

  async function expectPodsReachEachOther(): Promise<void> {
    for (const node of racks.nodes) {
      const far = rackAddresses(3 - node.index);
      // The kernel may have them from before a restart; that they were announced again is another matter.
      await waitFor(`what the router tells ${node.name}`, async () => {
        const received = await prefixesOf(node.podroute, '--received', 'tor');
        return received.includes(far.podsIpv4) && received.includes(far.podsIpv6);
      });
      await waitForRoute(node.host, far.podsIpv4);
      await waitForRoute(node.host, far.podsIpv6);
    }
    // The router may be a moment behind in its own kernel.
    for (const [from, to] of [
      [pod1, pod2],
      [pod2, pod1],
    ] as const) {
      for (const address of [to.ipv4, to.ipv6]) {
        await waitFor(`${from.name} to reach ${address}`, () => from.host.pings(address), 5000);
      }
    }
  }

  /** Routes of ours in a kernel, both families, in a form that can be compared. */
  function ours(node: LabNode): string[] {
    return [4, 6].flatMap((version) =>
      kernelRoutes(node.host, version as 4 | 6).map(
        ({ dst, type, gateway, dev, metric }) =>
          `${type ?? 'unicast'} ${dst} via ${gateway} dev ${dev} metric ${metric}`,
      ),
    );
  }

  /** Prefixes that the router has from a node, both families. */
  function heardByTor(node: LabNode): string[] {
    const { nodeIpv4 } = rackAddresses(node.index);
    return ['ipv4', 'ipv6'].flatMap((family) => {
      const shown = racks.frr.vtyshJson<{ routes?: Record<string, unknown> }>(
        `show bgp ${family} unicast neighbors ${nodeIpv4} routes`,
      );
      return Object.keys(shown.routes ?? {});
    });
  }

  test('one session carries both families, and each kernel has the blocks of the other rack by way of the router', async () => {
    const { peers } = await ask<PeersReply>(node1.podroute, 'show', 'peers');
    expect(peers).toMatchObject([{ name: 'tor', state: 'Established', remoteAs: 65000, kind: 'ebgp' }]);
    expect(peers[0]?.families.map(({ family, inForce }) => `${family} ${inForce}`)).toEqual([
      'ipv4-unicast true',
      'ipv6-unicast true',
    ]);
    expect(await waitForRoute(node1.host, rack2.podsIpv4)).toMatchObject({
      gateway: rack1.torIpv4,
      dev: 'eth0',
      metric: 1024,
    });
    expect(await waitForRoute(node1.host, rack2.podsIpv6)).toMatchObject({ dev: 'eth0', metric: 1024 });
    expect(await waitForRoute(node2.host, rack1.podsIpv4)).toMatchObject({ gateway: rack2.torIpv4, dev: 'eth0' });
    expect(heardByTor(node1)).toEqual([rack1.podsIpv4, rack1.podsIpv6]);
    expect(await prefixesOf(node1.podroute, '--best')).toEqual(blocks.toSorted());
  });

  test("a node's own blocks have a discard route at a worse metric", () => {
    expect(kernelRoutes(node1.host, 4, `exact ${rack1.podsIpv4}`)).toEqual([
      expect.objectContaining({ type: 'unreachable', metric: 4096, protocol: '177' }),
    ]);
    expect(kernelRoutes(node1.host, 6, `exact ${rack1.podsIpv6}`)).toEqual([
      expect.objectContaining({ type: 'unreachable', metric: 4096, protocol: '177' }),
    ]);
  });

  test('pods on different nodes reach each other over IPv4 and IPv6', expectPodsReachEachOther);

  test('a daemon that is killed leaves its routes; started again it takes them up untouched', async () => {
    const before = ours(node2);
    expect(before).toHaveLength(4);
    const pods = [...kernelRoutes(node2.host, 4, 'proto 178'), ...kernelRoutes(node2.host, 6, 'proto 178')];
    expect(pods.map(({ dst }) => dst)).toEqual([pod2.ipv4, pod2.ipv6]);
    await node2.podroute.process.stop('SIGKILL');
    await waitForNoRoute(node1.host, rack2.podsIpv4);
    expect(ours(node2)).toEqual(before);

    node2.host.ip(`route add 198.18.1.0/24 via ${rack2.torIpv4} proto static metric 1024`);
    const monitor = monitorRoutes(node2);
    try {
      node2.podroute.restart();
      await waitForPeers(node2.podroute);
      await waitForRoute(node1.host, rack2.podsIpv4);
      await expectPodsReachEachOther();
      expect(ours(node2)).toEqual(before);
      // A change that is told proves that the monitor listened.
      node2.host.ip('route del 198.18.1.0/24 proto static');
      await waitFor('the monitor', () => monitor.lines().some((line) => line.startsWith('Deleted 198.18.1.0/24')));
      const others = monitor.lines().filter((line) => !line.startsWith('Deleted 198.18.1.0/24'));
      // Routes of pods may be written again as they are; none is taken away, and those of BGP are not touched at all.
      expect(others.filter((line) => line.startsWith('Deleted') || !line.includes('proto 178'))).toEqual([]);
    } finally {
      monitor.stop();
    }
  });

  test('a cut towards the router: routes leave both kernels and come back with it', async () => {
    racks.tor.ip('link set rack1 down');
    await waitForNoRoute(node1.host, rack2.podsIpv4);
    await waitForNoRoute(node1.host, rack2.podsIpv6);
    await waitForNoRoute(node2.host, rack1.podsIpv4);
    expect(node1.host.pings(pod1.ipv4)).toBe(true);
    racks.tor.ip('link set rack1 up');
    racks.tor.ip(`addr replace ${rack1.torIpv6}/64 dev rack1 nodad`);
    await waitForPeers(node1.podroute);
    await expectPodsReachEachOther();
  });

  test('SIGTERM with the default keeps the routes and tells the router; nothing of it is left as a process', async () => {
    const before = ours(node2);
    await node2.podroute.process.stop('SIGTERM');
    await waitForNoRoute(node1.host, rack2.podsIpv4);
    expect(ours(node2)).toEqual(before);
    const { nodeIpv4 } = rack2;
    const shown = racks.frr.vtyshJson<Record<string, { lastResetDueTo?: string; lastNotificationReason?: string }>>(
      `show bgp neighbors ${nodeIpv4}`,
    );
    expect(JSON.stringify(shown[nodeIpv4])).toContain('Administrative Shutdown');
    expectNoBugs(node2.podroute);
  });

  test('SIGTERM with keepRoutes: false leaves nothing of BGP behind, and the pods wired', async () => {
    const config = readFileSync(node2.podroute.configPath, 'utf8');
    const speaker =
      'apiVersion: podroute.io/v1\nkind: Speaker\nmetadata: { name: default }\nspec: { fib: { keepRoutes: false } }\n';
    writeFileSync(node2.podroute.configPath, `${config}---\n${speaker}`);
    node2.podroute.restart();
    await waitForPeers(node2.podroute);
    await expectPodsReachEachOther();
    await node2.podroute.process.stop('SIGTERM');
    expect(ours(node2)).toEqual([]);
    expect(node2.host.ip('nexthop show')).toBe('');
    expect(node2.host.pings(pod2.ipv4)).toBe(true);
    expect(node2.host.pings(pod2.ipv6)).toBe(true);
    writeFileSync(node2.podroute.configPath, config);
    node2.podroute.restart();
    await waitForPeers(node2.podroute);
    await expectPodsReachEachOther();
  });

  test('a block that is taken away is announced as long as a pod lives in it', async () => {
    const config = readFileSync(node1.podroute.configPath, 'utf8');
    const other = ['10.244.101.0/26', 'fd00:10:244:101::/122'];
    const changed = config.replace(rack1.podsIpv4, '10.244.101.0/26').replace(rack1.podsIpv6, 'fd00:10:244:101::/122');
    expect(changed).not.toContain(rack1.podsIpv4);
    writeFileSync(node1.podroute.configPath, changed);
    const reply = await ask<ReloadReply>(node1.podroute, 'reload');
    expect(reply.resets).toEqual([]);
    const all = [rack1.podsIpv4, rack1.podsIpv6, ...other].sort();
    await waitFor('the router to hear of all blocks', () => heardByTor(node1).sort().join() === all.join());
    await waitForRoute(node2.host, '10.244.101.0/26');
    await expectPodsReachEachOther();

    const fresh = addPod(lab, node1, 'pod3');
    expect(fresh.ipv4).toMatch(/^10\.244\.101\./);
    await waitFor('the new pod', () => fresh.host.pings(pod2.ipv4));
    const { blocks: shown } = await ask<{ blocks: Block[] }>(node1.podroute, 'show', 'blocks');
    const used = shown.map(({ prefix, used, advertised }) => `${prefix} ${used} ${advertised}`).sort();
    expect(used).toEqual(all.map((prefix) => `${prefix} 1 true`));
    const { pods } = await ask<{ pods: Pod[] }>(node1.podroute, 'show', 'pods');
    expect(pods.map(({ containerId, addresses }) => [containerId, addresses])).toEqual([
      ['pod1', [pod1.ipv4, pod1.ipv6]],
      ['pod3', [fresh.ipv4, fresh.ipv6]],
    ]);

    expect(node1.podroute.cni('DEL', { id: 'pod1', netns: pod1.host.namespacePath }).status).toBe(0);
    await waitFor('the old blocks to be withdrawn', () => heardByTor(node1).sort().join() === other.toSorted().join());
    await waitForNoRoute(node2.host, rack1.podsIpv4);
    await waitFor(
      'no discard route of the old block',
      () => kernelRoutes(node1.host, 4, `exact ${rack1.podsIpv4}`).length === 0,
    );
    expect(kernelRoute(node2.host, '10.244.101.0/26')).toBeDefined();
    expect(kernelRoutes(node1.host, 4, 'proto 178').map(({ dst }) => dst)).toEqual([fresh.ipv4]);
  });

  test('what the kernel holds is what is wanted, and the logs tell of no bug', async () => {
    for (const node of racks.nodes)
      expect((await bgpctl(node.podroute, 'fib', 'check')).stdout).toContain('no difference');
    expectNoBugs(node1.podroute, node2.podroute);
  });
});
