import { chownSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ip, type PathAttributes, prefix } from 'bgp-ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab, type LabHost } from '../../deploy/lab/lab.ts';
import { type Podroute, projectRoot, startPodroute } from '../../deploy/lab/podroute.ts';
import { TestPeer } from '../support/test-peer.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  type Asked,
  ask,
  bgpctl,
  expectNoBugs,
  isRoot,
  kernelRoutes,
  prefixesOf,
  resource,
  routesOf,
  waitForNoRoute,
  waitForRoute,
  waitForTables,
  yaml,
} from './lab-daemon.ts';

const NOBODY = 65534;
const AS = 64512;
const PORT = 1790;

/** Addresses of node N, its network and its router. */
function addressesOf(n: number) {
  return {
    router: `10.0.${n}.1`,
    ipv4: `10.0.${n}.10`,
    routerIpv6: `fd00:0:0:${n}::1`,
    ipv6: `fd00:0:0:${n}::10`,
    pods: `10.244.${n}.0/26`,
    podsIpv6: `fd00:10:244:${n}::/122`,
    pod: `10.244.${n}.1`,
  };
}

describe.skipIf(!isRoot)('nodes as clients of a reflector behind a router', () => {
  let lab: Lab;
  let router: LabHost;
  let reflectorHost: LabHost;
  let reflector: Asked;
  let reflectorPid: number;
  let nodes: Podroute[];

  beforeAll(async () => {
    lab = new Lab('drr');
    router = lab.host('router');
    reflectorHost = lab.host('rr');
    lab.link(router, 'rr', ['10.9.0.254/24'], reflectorHost, 'eth0', ['10.9.0.1/24']);
    reflectorHost.ip('route add default via 10.9.0.254');
    const hosts = [1, 2].map((n) => {
      const host = lab.host(`node${n}`);
      const { router: gateway, routerIpv6, ipv4, ipv6, pods, podsIpv6, pod } = addressesOf(n);
      lab.link(router, `node${n}`, [`${gateway}/24`, `${routerIpv6}/64`], host, 'eth0', [`${ipv4}/24`, `${ipv6}/64`]);
      host.ip(`route add default via ${gateway}`);
      host.ip(`-6 route add default via ${routerIpv6}`);
      host.ip(`addr add ${pod}/32 dev lo`);
      // The router speaks no BGP here: only the nodes' next hops are under test.
      router.ip(`route add ${pods} via ${ipv4}`);
      router.ip(`-6 route add ${podsIpv6} via ${ipv6}`);
      return host;
    });
    startReflector();
    nodes = hosts.map((host, i) => startPodroute(host, nodeConfig(i + 1)));
    for (const node of nodes) await waitForTables(node, 'rr');
  });

  afterAll(async () => {
    await lab.close();
  });

  /** As an ordinary user without any right, on a port that needs none. */
  function startReflector(): void {
    const spec = { peerPrefixes: ['10.0.0.0/8'], asNumber: AS, routeReflectorClient: true, families: ['ipv4', 'ipv6'] };
    const config = yaml(
      resource('BGPConfiguration', 'default', { listenPort: PORT, listenAddresses: ['10.9.0.1'] }),
      resource('Node', 'rr', { asNumber: AS, ipv4Address: '10.9.0.1/24', routeReflectorClusterID: '1.1.1.1' }),
      resource('BGPPeer', 'clients', { ...spec, policy: { import: 'accept', export: 'accept' } }),
    );
    const configPath = reflectorHost.write('podroute.yaml', config);
    const runDirectory = join(reflectorHost.directory, 'run');
    mkdirSync(runDirectory);
    chownSync(runDirectory, NOBODY, NOBODY);
    const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
    const daemon = [process.execPath, join(projectRoot, 'speaker/main.ts'), '--config', configPath];
    const flags = ['--node', 'rr', '--run-dir', runDirectory];
    const started = reflectorHost.start('podrouted', ['setpriv', ...user, '--no-new-privs', ...daemon, ...flags]);
    reflector = { host: reflectorHost, runDirectory };
    reflectorPid = started.pid;
  }

  function nodeConfig(n: number): string {
    const { ipv4, ipv6, pods, podsIpv6 } = addressesOf(n);
    return yaml(
      resource('Node', `node${n}`, {
        asNumber: AS,
        ipv4Address: `${ipv4}/24`,
        ipv6Address: `${ipv6}/64`,
        networks: [pods, podsIpv6],
      }),
      resource('BGPPeer', 'rr', { peerIP: '10.9.0.1', port: PORT, asNumber: AS, connectRetryTime: '1s' }),
    );
  }

  function client(local: string, routerId = local): Promise<TestPeer> {
    return TestPeer.connect({
      netnsPath: router.namespacePath,
      localAddress: ip(local),
      remoteAddress: ip('10.9.0.1'),
      remotePort: PORT,
      asn: AS,
      routerId: ip(routerId),
      kind: 'ibgp',
    });
  }

  test('it listens on the address and port that it was given, and on no other', () => {
    const listening = reflectorHost.run(['ss', '-H', '-l', '-t', '-n']).trim().split('\n');
    expect(listening.map((line) => line.split(/\s+/)[3])).toEqual([`10.9.0.1:${PORT}`]);
  });

  test('the reflector runs without any right and writes no kernel routes', async () => {
    const status = readFileSync(`/proc/${reflectorPid}/status`, 'utf8');
    expect(status).toMatch(new RegExp(`^Uid:\\s+${NOBODY}\\s+${NOBODY}\\s+${NOBODY}`, 'm'));
    for (const set of ['CapPrm', 'CapEff', 'CapBnd']) expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, 'm'));
    await waitFor('both nodes at the reflector', async () => (await prefixesOf(reflector)).length === 4);
    expect(kernelRoutes(reflectorHost, 4)).toEqual([]);
    expect(kernelRoutes(reflectorHost, 6)).toEqual([]);
    expect(await ask(reflector, 'show', 'fib')).toMatchObject({ enabled: false, routes: [] });
    expect((await bgpctl(reflector, 'fib', 'check')).status).toBe(1);
  });

  test('next hops stay those of the nodes and are resolved by way of the default route, both families', async () => {
    for (const n of [1, 2]) {
      const { host } = nodes[n - 1] as Podroute;
      const [own, far] = [addressesOf(n), addressesOf(3 - n)];
      expect(await waitForRoute(host, far.pods, own.router)).toMatchObject({ dev: 'eth0' });
      expect(await waitForRoute(host, far.podsIpv6, own.routerIpv6)).toMatchObject({ dev: 'eth0' });
    }
    const [node1, node2] = nodes as [Podroute, Podroute];
    const [heard] = await routesOf(node2, addressesOf(1).pods);
    expect(heard).toMatchObject({
      kind: 'ibgp',
      best: true,
      attributes: {
        nextHop: '10.0.1.10',
        asPath: '',
        originatorId: '10.0.1.10',
        clusterList: ['1.1.1.1'],
        localPref: 100,
      },
    });
    await waitFor('a ping from pod to pod', () => node1.host.pings(addressesOf(2).pod, ['-I', addressesOf(1).pod]));
  });

  test('a client hears of all others, not of itself, and a loop of reflectors ends here', async () => {
    const one = await client('10.9.0.254');
    try {
      const all = [1, 2].flatMap((n) => [addressesOf(n).pods, addressesOf(n).podsIpv6]);
      await waitFor('all routes', () => one.endOfRib.size === 2 && all.every((text) => one.routes.has(text)));
      const base: PathAttributes = { origin: 0, asPath: [], localPref: 100, nextHop: ip('10.0.1.10') };
      one.announce([prefix('10.250.1.0/24')], base);
      one.announce([prefix('10.250.2.0/24')], { ...base, originatorId: ip('9.9.9.9'), clusterList: [ip('1.1.1.1')] });
      one.announce([prefix('10.250.3.0/24')], { ...base, originatorId: ip('10.0.2.10'), clusterList: [ip('2.2.2.2')] });
      const [node1, node2] = nodes as [Podroute, Podroute];
      await waitForRoute(node2.host, '10.250.1.0/24', '10.0.2.1');
      await waitFor('node 1', async () => (await prefixesOf(node1)).includes('10.250.3.0/24'));
      // A next hop that is the node itself, and paths that have been here before.
      expect(await routesOf(node1, '10.250.1.0/24')).toMatchObject([
        { valid: false, reason: 'next hop is an address of this node' },
      ]);
      expect(await routesOf(reflector, '10.250.2.0/24')).toEqual([
        expect.objectContaining({ valid: false, reason: 'own cluster id in CLUSTER_LIST' }),
      ]);
      expect(await prefixesOf(node2)).not.toContain('10.250.2.0/24');
      const seen = await routesOf(node2, '10.250.3.0/24');
      expect(seen).toMatchObject([{ valid: false, reason: 'own router id as ORIGINATOR_ID' }]);
      expect(one.routes.has('10.250.1.0/24')).toBe(false);
      expect(one.problems).toEqual([]);
    } finally {
      one.close();
    }
    await waitForNoRoute((nodes[1] as Podroute).host, '10.250.1.0/24');
  });

  test('a node that was killed sweeps what nobody announces any more once the reflector has told all it has', async () => {
    const [node1, node2] = nodes as [Podroute, Podroute];
    const { host } = node2;
    await node2.process.stop('SIGKILL');
    host.ip('route add 198.18.0.0/24 via 10.0.2.1 proto 177 metric 1024');
    host.ip('-6 route add 2001:db8:dead::/48 via fd00:0:0:2::1 proto 177 metric 1024');
    host.ip('route add 198.18.1.0/24 via 10.0.2.1 proto static metric 1024');
    node2.restart();
    await waitForTables(node2, 'rr');
    await waitForNoRoute(host, '198.18.0.0/24');
    await waitForNoRoute(host, '2001:db8:dead::/48');
    await waitForRoute(host, addressesOf(1).pods, '10.0.2.1');
    expect(kernelRoutes(host, 4, 'exact 198.18.1.0/24')).toHaveLength(1);
    expect((await bgpctl(node2, 'fib', 'check')).status).toBe(0);

    // Nothing but the End-of-RIB: what the other node announced before is gone.
    await node2.process.stop('SIGKILL');
    await node1.process.stop('SIGTERM');
    await waitFor('an empty reflector', async () => (await prefixesOf(reflector)).length === 0);
    expect(kernelRoutes(host, 4).map(({ dst }) => dst)).toEqual([addressesOf(1).pods]);
    node2.restart();
    await waitForTables(node2, 'rr');
    await waitForNoRoute(host, addressesOf(1).pods);
    await waitForNoRoute(host, addressesOf(1).podsIpv6);
    node1.restart();
    await waitForRoute(host, addressesOf(1).pods, '10.0.2.1');
  });

  test('losing the reflector: a session that ends takes its routes along, and they come back with it', async () => {
    const [node1, node2] = nodes as [Podroute, Podroute];
    await waitForTables(node1, 'rr');
    await ask(reflector, 'clear', 'clients/10.0.1.10');
    await waitFor('the reset', async () => (await routesOf(node1, '--received', 'rr')).length > 0);
    await waitForRoute(node1.host, addressesOf(2).pods, '10.0.1.1');
    await waitForRoute(node2.host, addressesOf(1).pods, '10.0.2.1');
    expectNoBugs(node1, node2);
  });
});
