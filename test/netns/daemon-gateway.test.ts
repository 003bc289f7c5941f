import { ip, prefix } from 'bgp-ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab, type LabHost, type LabProcess } from '../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../deploy/lab/podroute.ts';
import { TestPeer } from '../support/test-peer.ts';
import { waitFor } from '../support/wait-for.ts';
import { bgpctl, expectNoBugs, isRoot, resource, yaml } from './lab-daemon.ts';

/** Prefixes, a third of them behind each of three next hops that static routes lead to. */
const PREFIXES = 20_001;
const HOPS = ['10.9.1.1', '10.9.1.2', '10.9.1.3'];
/** An address in a prefix of the second next hop. */
const BEHIND_SECOND = '20.0.1.1';

describe.skipIf(!isRoot)('a gateway that changes under 20,000 prefixes', () => {
  let lab: Lab;
  let host: LabHost;
  let net: LabHost;
  let node: Podroute;
  let feeder: TestPeer;
  let monitors = 0;

  beforeAll(async () => {
    lab = new Lab('dgw');
    host = lab.host('node');
    net = lab.host('net');
    lab.link(host, 'eth1', ['10.7.1.1/24'], net, 'eth1', ['10.7.1.2/24']);
    lab.link(host, 'eth2', ['10.7.2.1/24'], net, 'eth2', ['10.7.2.2/24', '10.7.2.3/24']);
    net.ip('link set lo up');
    net.ip(`addr add ${BEHIND_SECOND}/32 dev lo`);
    host.ip(`route add ${HOPS[0]} via 10.7.1.2`);
    host.ip(`route add ${HOPS[1]} via 10.7.2.2`);
    host.ip(`route add ${HOPS[2]} via 10.7.1.2`);
    const spec = { peerIP: '10.7.1.2', asNumber: 64512, passive: true, policy: { import: 'accept', export: 'own' } };
    const self = { asNumber: 64512, ipv4Address: '10.7.1.1/24' };
    node = startPodroute(host, yaml(resource('Node', 'node', self), resource('BGPPeer', 'feeder', spec)));
    feeder = await TestPeer.connect({
      netnsPath: net.namespacePath,
      localAddress: ip('10.7.1.2'),
      remoteAddress: ip('10.7.1.1'),
      asn: 64512,
      routerId: ip('10.7.1.2'),
      kind: 'ibgp',
    });
    HOPS.forEach((hop, i) => {
      const third = Array.from({ length: PREFIXES / 3 }, (_, n) => 3 * n + i);
      const prefixes = third.map((n) => prefix(`20.${n >> 8}.${n & 255}.0/24`));
      feeder.announce(prefixes, { origin: 0, asPath: [], nextHop: ip(hop), localPref: 100 });
    });
    await waitFor('all routes in the kernel', () => gateways().size === 2 && count() === PREFIXES, 30_000);
    await inStep();
  });

  afterAll(async () => {
    feeder?.close();
    await lab.close();
  });

  const routes = (selector: string) =>
    host.ipJson<{ gateway?: string; nexthops?: { gateway?: string }[] }>(`-4 route show ${selector}proto 177`);
  const count = (): number => routes('').length;
  /** Where the prefixes go; `selector` as `ip route show` takes it. */
  const gateways = (selector = ''): Set<string | undefined> =>
    new Set(routes(selector).map((route) => route.gateway ?? route.nexthops?.[0]?.gateway));

  async function inStep(): Promise<void> {
    await waitFor('kernel and RIB agree', async () => (await bgpctl(node, 'fib', 'check')).status === 0, 20_000);
  }

  /** What a change has the kernel tell those who listen to nexthop objects. */
  async function heardOf(change: () => void, isDone: () => boolean): Promise<string[]> {
    const monitor: LabProcess = host.start(`monitor-${++monitors}`, ['ip', '-o', 'monitor', 'nexthop']);
    const mark = 'id 999999 ';
    await waitFor('the monitor to listen', () => {
      host.ip('nexthop replace id 999999 dev lo');
      return monitor.log().includes(mark);
    });
    change();
    await waitFor('the routes to follow', isDone);
    await inStep();
    host.ip('nexthop del id 999999');
    await waitFor('the monitor to have seen all', () =>
      monitor
        .log()
        .split('\n')
        .some((line) => /eleted.*id 999999 /.test(line)),
    );
    await monitor.stop();
    return monitor
      .log()
      .split('\n')
      .filter((line) => line.includes('id ') && !line.includes(mark));
  }

  const one = 'exact 20.0.1.0/24 ';

  test('to a gateway that is known: one message, and packets flow', async () => {
    const pings = host.start('ping', ['ping', '-c', '400', '-i', '0.005', '-w', '20', '-q', BEHIND_SECOND]);
    await waitFor('packets by the first way', () => received('eth2') > 20);
    const heard = await heardOf(
      () => host.ip(`route replace ${HOPS[1]} via 10.7.1.2`),
      () => gateways(one).has('10.7.1.2'),
    );
    expect(
      heard.filter((line) => line.includes('group')),
      heard.join('\n'),
    ).toHaveLength(1);
    expect(heard.filter((line) => !line.includes('eleted'))).toHaveLength(1);
    await waitFor('the end of the pings', () => pings.log().includes('packet loss'), 20_000);
    expect(pings.log()).toContain(' 0% packet loss');
    expect(gateways()).toEqual(new Set(['10.7.1.2']));
    expect(count()).toBe(PREFIXES);
    expectNoBugs(node);
  });

  test('to one that nobody used: one more, to make it known', async () => {
    const heard = await heardOf(
      () => host.ip(`route replace ${HOPS[1]} via 10.7.2.3`),
      () => gateways(one).has('10.7.2.3'),
    );
    expect(
      heard.filter((line) => line.includes('group')),
      heard.join('\n'),
    ).toHaveLength(1);
    expect(heard.filter((line) => !line.includes('eleted'))).toHaveLength(2);
    expect(gateways()).toEqual(new Set(['10.7.1.2', '10.7.2.3']));
    expect(count()).toBe(PREFIXES);
    expectNoBugs(node);
  });

  function received(link: string): number {
    const [stats] = net.ipJson<{ stats64: { rx: { packets: number } } }>(`-s link show ${link}`);
    return stats?.stats64.rx.packets ?? 0;
  }
});
