import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClusterLab, type ClusterPod, type Member, writeShared } from '../../deploy/lab/cluster.ts';
import { Lab } from '../../deploy/lab/lab.ts';
import { pullPlug } from '../../deploy/lab/leaf-spine.ts';
import type { IpamCheckReply, NodeReply } from '../../lib/api-cluster.ts';
import { waitFor } from '../support/wait-for.ts';
import { expectNoBugs, isRoot } from './lab-daemon.ts';

/**
 * A cluster of three nodes and two reflectors on a leaf-spine fabric that share a Redis, and everything that can happen to that Redis.
 * Whatever it is: no route goes, no pod is lost, a new pod gets its address, and afterwards the store holds everything once.
 */
describe.skipIf(!isRoot)('a cluster and its Redis', () => {
  let lab: Lab;
  let cluster: ClusterLab;
  let count = 0;

  beforeAll(async () => {
    lab = new Lab('red');
    cluster = new ClusterLab(lab, { nodes: 3, racks: 2, reflectors: 2 });
    await waitFor(
      'every daemon answers',
      () => cluster.members.every(({ podroute }) => podroute.tryBgpctl('health').status === 0),
      30_000,
      200,
    );
    const [first] = cluster.nodes as [Member];
    await waitFor(
      'Redis takes what all share',
      () => first.podroute.tryBgpctl('apply', '-f', writeShared(first)).status === 0,
    );
    await waitFor('sessions and blocks', isWhole, 40_000, 200);
    for (const node of cluster.nodes) cluster.addPod(node, `pod-${node.name}`);
    await waitFor('everybody reaches everybody', isGreen, 30_000, 200);
  }, 120_000);

  afterAll(async () => {
    try {
      if (cluster !== undefined) expectNoBugs(...cluster.members.map(({ podroute }) => podroute));
    } finally {
      await lab?.close();
    }
  });

  const established = ({ podroute }: Member): string =>
    podroute
      .bgpctlJson<{ peers: { name: string; state: string }[] }>('show', 'peers')
      .peers.filter(({ state }) => state === 'Established')
      .map(({ name }) => name)
      .sort()
      .join(' ');
  const isWhole = (): boolean =>
    cluster.reflectors.every((member) => established(member).split(' ').length === 6) &&
    cluster.nodes.every(
      (member) =>
        established(member) === 'reflectors/rr1 reflectors/rr2 uplink-eth0 uplink-eth1' &&
        member.podroute.bgpctlJson<{ blocks: unknown[] }>('show', 'blocks').blocks.length === 2,
    );
  const isGreen = async (pods?: readonly ClusterPod[]): Promise<boolean> =>
    (await cluster.unanswered(pods)).length === 0;
  const kernelRoutes = (): string =>
    cluster.nodes.map(({ host }) => host.ip('route show proto 177') + host.ip('-6 route show proto 177')).join();
  const redisCli = (...words: string[]): string =>
    cluster.fabric.store.host.run(['redis-cli', '-h', cluster.fabric.store.ipv4, ...words]);
  const registered = (): readonly string[] =>
    (cluster.nodes[0] as Member).podroute
      .bgpctlJson<NodeReply>('node')
      .nodes.filter(({ goneSeconds }) => goneSeconds === undefined)
      .map(({ name }) => name);

  /** Nothing of what runs has changed: sessions, kernel routes, pods. */
  async function expectUntouched(before: { readonly sessions: string; readonly routes: string }): Promise<void> {
    expect(cluster.members.map(established).join('|')).toBe(before.sessions);
    expect(kernelRoutes()).toBe(before.routes);
    expect(await isGreen()).toBe(true);
  }
  const now = () => ({ sessions: cluster.members.map(established).join('|'), routes: kernelRoutes() });

  /** A pod made while the store is as it is: it gets an address of a block that its node has. */
  function addLate(): void {
    count += 1;
    cluster.addPod(cluster.nodes[count % 3] as Member, `late${count}`);
  }

  async function expectOnce(): Promise<void> {
    const names = ['node1', 'node2', 'node3', 'rr1', 'rr2'];
    await waitFor('every node registered', () => registered().join() === names.join(), 40_000, 250);
    await waitFor(
      'store, nodes, pods and kernel agree',
      () =>
        cluster.nodes.every(({ podroute }) => {
          const result = podroute.tryBgpctl('ipam', 'check', '--json');
          return result.status === 0 && (JSON.parse(result.stdout) as IpamCheckReply).isClean;
        }),
      40_000,
      250,
    );
    const taken = redisCli('--raw', 'ZRANGE', '{podroute}:keys', '0', '-1')
      .split('\n')
      .filter((key) => /^blocks\/v/.test(key));
    expect(taken).toHaveLength(6);
    const applied = () => redisCli('--raw', 'ZRANGE', '{podroute}:keys', '0', '-1').match(/^resources\//gm)?.length;
    await waitFor('every resource is stored', () => applied() === 4);
  }

  test('killed, and started again with its log', async () => {
    const before = now();
    await cluster.redis.stop('SIGKILL');
    addLate();
    await waitFor(
      'the nodes notice',
      () => cluster.nodes[0]?.podroute.bgpctlJson<NodeReply>('node').store.problem,
      15_000,
      250,
    );
    await expectUntouched(before);
    cluster.restartRedis();
    await expectOnce();
    await expectUntouched(before);
  });

  test('flushed', async () => {
    const before = now();
    redisCli('FLUSHALL');
    addLate();
    await expectOnce();
    await expectUntouched(before);
  });

  test('killed and started again empty', async () => {
    const before = now();
    await cluster.redis.stop('SIGKILL');
    cluster.fabric.store.host.run(['sh', '-c', `rm -rf ${cluster.fabric.store.host.directory}/appendonlydir`]);
    cluster.restartRedis();
    addLate();
    await expectOnce();
    await expectUntouched(before);
  });

  test('standing still', async () => {
    const before = now();
    process.kill(cluster.redisPid, 'SIGSTOP');
    addLate();
    await waitFor(
      'the nodes notice',
      () => cluster.nodes[0]?.podroute.bgpctlJson<NodeReply>('node').store.problem,
      15_000,
      250,
    );
    const refused = cluster.nodes[0]?.podroute.tryBgpctl('apply', '-f', writeShared(cluster.nodes[0]));
    expect(refused?.status).toBe(1);
    expect(refused?.stderr).toContain('datastore unavailable');
    process.kill(cluster.redisPid, 'SIGCONT');
    await expectOnce();
    await expectUntouched(before);
  });

  test('read-only', async () => {
    const before = now();
    redisCli('REPLICAOF', '127.0.0.1', '1');
    addLate();
    const refused = cluster.nodes[0]?.podroute.tryBgpctl('delete', 'ippool', 'pods-v4');
    expect(refused?.stderr).toContain('read-only');
    redisCli('REPLICAOF', 'NO', 'ONE');
    await expectOnce();
    await expectUntouched(before);
  });

  test('a ToR loses power: green again, over the other one', async () => {
    const pods = cluster.pods.slice(0, 3);
    const loss = await cluster.lossWhile(pods, async () => {
      pullPlug((cluster.fabric.tors[0] as { host: Parameters<typeof pullPlug>[0] }).host);
      await waitFor('everybody reaches everybody', () => isGreen(), 30_000, 200);
    });
    expect(loss.sent).toBeGreaterThan(0);
    expect(loss.longestSeconds).toBeLessThan(10);
  });

  test('a reflector is killed: green', async () => {
    await cluster.reflectors[0]?.podroute.process.stop('SIGKILL');
    await waitFor(
      'its sessions are gone',
      () => cluster.nodes.every((node) => !established(node).includes('reflectors/rr1')),
      20_000,
      250,
    );
    expect(await isGreen()).toBe(true);
    cluster.reflectors.shift();
  });
});
