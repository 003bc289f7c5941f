import { ip, type PathAttributes, type Prefix } from 'bgp-ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bird, startBird } from '../../deploy/lab/bird.ts';
import { Lab, type LabHost } from '../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../deploy/lab/podroute.ts';
import type { HealthReply } from '../../lib/api.ts';
import { TestPeer } from '../support/test-peer.ts';
import { waitFor } from '../support/wait-for.ts';
import { ask, expectNoBugs, isRoot, peerOf, resource, waitForPeers, yaml } from './lab-daemon.ts';

const ROUTES = 300_000;
const FEEDERS = 2;
const KERNEL_MS = 60_000;

describe.skipIf(!isRoot)('while tables load', () => {
  let lab: Lab;
  let host: LabHost;
  let net: LabHost;
  let node: Podroute;
  let bird: Bird;
  const feeders: TestPeer[] = [];

  beforeAll(async () => {
    lab = new Lab('dld');
    host = lab.host('node');
    net = lab.host('net');
    const other = lab.host('bird');
    lab.link(host, 'eth0', ['10.3.0.1/24'], net, 'eth0', ['10.3.0.11/24', '10.3.0.12/24']);
    lab.link(host, 'eth1', ['10.4.0.1/24'], other, 'eth0', ['10.4.0.2/24']);
    const feeder = (n: number) =>
      resource('BGPPeer', `feeder${n}`, {
        peerIP: `10.3.0.${10 + n}`,
        asNumber: 65000 + n,
        passive: true,
        policy: { import: 'accept', export: 'own' },
      });
    const config = yaml(
      resource('Node', 'node', { asNumber: 64512, ipv4Address: '10.3.0.1/24', networks: ['192.0.2.0/24'] }),
      feeder(1),
      feeder(2),
      resource('BGPPeer', 'watcher', {
        peerIP: '10.4.0.2',
        sourceAddress: '10.4.0.1',
        asNumber: 65010,
        policy: { import: 'accept', export: 'own' },
      }),
    );
    node = startPodroute(host, config);
    bird = startBird(
      other,
      `router id 10.4.0.2;
protocol device {}
protocol bgp node {
  local 10.4.0.2 as 65010;
  neighbor 10.4.0.1 as 64512;
  hold time 3;
  keepalive time 1;
  connect delay time 1;
  ipv4 { import all; export none; };
}
`,
    );
    await waitForPeers(node, 'watcher');
  });

  afterAll(async () => {
    for (const feeder of feeders) feeder.close();
    await lab.close();
  });

  /** How many routes of ours the kernel has. */
  function kernelCount(): number {
    return Number(host.run(['sh', '-c', 'ip route show proto 177 | wc -l']));
  }

  /** Nothing is on its way to the kernel. */
  async function waitForKernel(count: number): Promise<void> {
    const isWritten = async (): Promise<boolean> => {
      const { checks } = await ask<HealthReply>(node, 'health');
      const routes = checks.find(({ name }) => name === 'kernel routes');
      return routes?.ok === true && routes.detail === undefined && kernelCount() === count;
    };
    await waitFor(`${count} routes in the kernel`, isWritten, KERNEL_MS, 250);
  }

  /** The session that would end after three silent seconds is the one that came up first. */
  async function expectSessionHeld(): Promise<void> {
    const peer = await peerOf(node, 'watcher');
    expect(peer).toMatchObject({
      state: 'Established',
      timers: { holdSeconds: 3 },
      counters: { established: 1, resets: 0 },
    });
    const shown = bird.birdc('show protocols all node');
    expect(shown).toMatch(/BGP state:\s+Established/);
    expect(shown).not.toMatch(/Last error|Hold timer expired/i);
  }

  test(`a session with a hold time of 3 s lives through ${ROUTES} routes that come, and that go`, async () => {
    const share = ROUTES / FEEDERS;
    for (let n = 1; n <= FEEDERS; n++) {
      const feeder = await TestPeer.connect({
        netnsPath: net.namespacePath,
        localAddress: ip(`10.3.0.${10 + n}`),
        remoteAddress: ip('10.3.0.1'),
        asn: 65000 + n,
        routerId: ip(`10.3.0.${10 + n}`),
        kind: 'ebgp',
      });
      feeders.push(feeder);
    }
    for (const [i, feeder] of feeders.entries()) {
      const attributes: PathAttributes = {
        origin: 0,
        asPath: [{ type: 'sequence', asns: [65001 + i] }],
        nextHop: ip(`10.3.0.${11 + i}`),
      };
      feeder.announce(prefixes(i * share, share), attributes);
    }
    await waitFor(
      'all routes received',
      async () => {
        const counts = await Promise.all(
          [1, 2].map(async (n) => (await peerOf(node, `feeder${n}`)).families[0]?.accepted),
        );
        return counts.every((count) => count === share);
      },
      KERNEL_MS,
      100,
    );
    await waitForKernel(ROUTES);
    await expectSessionHeld();
    for (const feeder of feeders) feeder.close();
    await waitForKernel(0);
    await expectSessionHeld();
    expectNoBugs(node);
  });
});

/** /24s from 20.0.0.0 on. */
function prefixes(first: number, count: number): Prefix[] {
  return Array.from({ length: count }, (_, i) => {
    const n = first + i;
    const octets = Uint8Array.of(20 + (n >> 16), (n >> 8) & 255, n & 255, 0);
    return { address: { version: 4, octets }, length: 24 };
  });
}
