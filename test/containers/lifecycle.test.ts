import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labImage } from '../../deploy/lab/container-image.ts';
import { nodeConfig } from '../../deploy/lab/topology.ts';
import type { IpamCheckReply } from '../../lib/api-cluster.ts';
import { isRoot, waitForPeers } from '../netns/lab-daemon.ts';
import { waitFor } from '../support/wait-for.ts';
import { ContainerLab, type RunningPod, type RuntimeNode } from './container-lab.ts';

/** The part of iperf3's report that is read here. */
interface IperfReport {
  readonly end: { readonly sum_received?: { readonly bytes: number } };
}

/** What pods of containerd live through: traffic, host ports, restarts, other clients, many of them. */
describe.skipIf(!isRoot)('the life of pods that containerd starts', () => {
  const lab = new ContainerLab();
  let one: RuntimeNode;
  let two: RuntimeNode;
  let a: RunningPod;
  let b: RunningPod;

  beforeAll(async () => {
    [one, two] = await lab.start();
    // Room for two hundred pods on the first node.
    const { host, podroute, index, asn } = one.node;
    const more = 'podCIDRs: [10.244.128.0/23, "fd00:10:244:80::/119", ';
    host.write('podroute.yaml', nodeConfig(index, asn).replace('podCIDRs: [', more));
    podroute.bgpctl('reload');
    a = await one.runPod('a');
    b = await two.runPod('b');
    await waitFor('the first answer', () => a.ping(b.ipv4).then(() => true), 20_000, 200);
  });

  afterAll(async () => {
    for (const pod of [a, b]) await pod?.remove().catch(() => undefined);
    await lab.close();
  });

  test('bulk TCP from one node to the other, both families', async () => {
    for (const address of [b.ipv4, b.ipv6]) {
      const server = b.run('iperf3', '-s', '-1');
      // Before the server listens, iperf3 says so in its report, and ends well all the same.
      const received = await waitFor(
        'iperf3 to move data',
        async () => {
          const report = JSON.parse(await a.run('iperf3', '-c', address, '-t', '2', '-J')) as IperfReport;
          return report.end.sum_received?.bytes;
        },
        20_000,
        200,
      );
      expect(received).toBeGreaterThan(1_000_000);
      await server;
    }
  });

  test('a port of the node leads to its pod (portmap, chained), and nothing of it stays', async () => {
    const web = await two.runPod('web', { ports: [{ containerPort: 5201, hostPort: 8080 }] });
    const server = web.run('iperf3', '-s', '-1');
    const [tor] = lab.lab.hosts.filter(({ name }) => name === 'tor');
    await waitFor(
      'an answer on port 8080 of node2',
      () => tor?.run(['iperf3', '-c', '10.0.2.10', '-p', '8080', '-n', '100K']),
      20_000,
      200,
    );
    await server;
    await web.remove();
    expect(two.node.host.run(['iptables-save', '-t', 'nat'])).not.toContain('--dport 8080');
  });

  test('restarts of containerd and of podrouted leave pods as they are, and new ones get other addresses', async () => {
    const { node, containerd } = one;
    await containerd.process.stop('SIGTERM');
    for (const address of [a.ipv4, a.ipv6]) await b.ping(address);
    containerd.restart();
    await one.ready();
    for (const address of [a.ipv4, a.ipv6]) await b.ping(address);
    await node.podroute.process.stop('SIGKILL');
    node.podroute.restart();
    await waitForPeers(node.podroute);
    await waitFor('an answer', () => b.ping(a.ipv4).then(() => true), 10_000, 200);
    expect(await one.cri.podSandboxStatus(a.sandboxId)).toMatchObject({ isReady: true, addresses: [a.ipv4, a.ipv6] });
    await b.ping(a.ipv4);
    const c = await one.runPod('c');
    expect([a.ipv4, a.ipv6]).not.toContain(c.ipv4);
    await waitFor('an answer', () => c.ping(b.ipv6).then(() => true), 10_000, 200);
    await c.remove();
  });

  test('podrouted away while a pod is to be made: the runtime hears why, and makes it later', async () => {
    const { podroute } = one.node;
    await podroute.process.stop('SIGKILL');
    await expect(one.runPod('early')).rejects.toThrow(/podroute/);
    podroute.restart();
    await waitFor('podrouted answers', () => podroute.tryBgpctl('health').status === 0, 20_000, 200);
    const late = await one.runPod('early', { uid: 'the next attempt' });
    expect(late.ipv6).not.toBe('');
    await late.remove();
  });

  test('ctr run --cni', async () => {
    const { host, podroute } = one.node;
    const { binDirectory, confDirectory, socket } = one.containerd;
    // ctr knows only the system's directories: ours are put in their place, in a mount namespace of its own.
    const mounts = [
      'mkdir -p /etc/cni/net.d /opt/cni/bin',
      `mount --bind ${confDirectory} /etc/cni/net.d`,
      `mount --bind ${binDirectory} /opt/cni/bin`,
    ].join(' && ');
    const ctr = (words: string) =>
      host.try(
        ['unshare', '-m', '--propagation', 'slave', 'sh', '-c', `${mounts} && ctr --address ${socket} ${words}`],
        { env: { PODROUTE_SOCKET: `${podroute.runDirectory}/cni.sock` } },
      );
    const started = ctr(`run -d --cni ${labImage} by-ctr`);
    expect(started.status, started.stderr).toBe(0);
    const { pods } = podroute.bgpctlJson<{ pods: { containerId: string; addresses: string[] }[] }>('show', 'pods');
    const made = pods.find(({ containerId }) => containerId.includes('by-ctr'));
    expect(made?.addresses).toHaveLength(2);
    for (const address of made?.addresses ?? []) {
      await waitFor(`an answer of ${address}`, () => b.ping(address).then(() => true), 10_000, 200);
    }
    ctr('task kill -s SIGKILL by-ctr');
    await waitFor('its end', () => ctr('task ls').stdout.includes('STOPPED'), 10_000, 100);
    ctr('task delete by-ctr');
    ctr('container delete by-ctr');
    // ctr leaves the network to whoever made it.
    const deleted = podroute.cni('DEL', { id: made?.containerId as string, netns: '' });
    expect(deleted.status, deleted.stdout).toBe(0);
  });

  test('two hundred pods, twenty at a time, three times over: nothing is left', async () => {
    const { host, podroute } = one.node;
    const lines = (text: string) => text.split('\n').filter((line) => line !== '').length;
    const now = () => ({
      interfaces: host.ipJson<{ ifname: string }>('link show').filter(({ ifname }) => ifname.startsWith('pr')).length,
      ipv4Routes: lines(host.ip('route show proto 178')),
      ipv6Routes: lines(host.ip('-6 route show proto 178')),
      namespaces: lines(host.run(['sh', '-c', `grep -c ${host.directory}.*netns /proc/self/mounts || true`])),
    });
    const before = now();
    for (let round = 0; round < 3; round++) {
      const made: string[] = [];
      for (let batch = 0; batch < 10; batch++) {
        const names = Array.from({ length: 20 }, (_, i) => `many-${round}-${batch * 20 + i}`);
        const logDirectory = host.directory;
        made.push(...(await Promise.all(names.map((name) => one.cri.runPodSandbox({ name, logDirectory })))));
      }
      expect(now().interfaces).toBe(before.interfaces + 200);
      const { pods } = podroute.bgpctlJson<{ pods: { addresses: string[] }[] }>('show', 'pods');
      const held = pods.flatMap(({ addresses }) => addresses);
      expect(held).toHaveLength(402);
      expect(new Set(held).size).toBe(held.length);
      for (let at = 0; at < made.length; at += 20) {
        await Promise.all(
          made.slice(at, at + 20).map(async (id) => {
            await one.cri.stopPodSandbox(id);
            await one.cri.removePodSandbox(id);
          }),
        );
      }
    }
    expect(now()).toEqual(before);
    expect(podroute.bgpctlJson<IpamCheckReply>('ipam', 'check')).toMatchObject({
      isClean: true,
      checked: { pods: 1, interfaces: 1 },
    });
  }, 300_000);
});
