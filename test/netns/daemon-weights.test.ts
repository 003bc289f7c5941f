import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab, type LabHost } from '../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../deploy/lab/podroute.ts';
import { waitFor } from '../support/wait-for.ts';
import { bgpctl, expectNoBugs, isRoot, kernelRoutes, resource, waitForPeers, yaml } from './lab-daemon.ts';

const LEAF_AS = 65001;
const policy = { import: 'accept', export: 'accept' };

interface NextHopObject {
  readonly id: number;
  readonly dev?: string;
  readonly gateway?: string;
  readonly group?: readonly { readonly id: number; readonly weight?: number }[];
}

describe.skipIf(!isRoot)('two spines with links of 10 and 40 Gbit/s', () => {
  let lab: Lab;
  let leafHost: LabHost;
  let leaf: Podroute;
  let spines: Podroute[];

  function leafConfig(second: object): string {
    return yaml(
      resource('Node', 'leaf', {
        bgp: { asNumber: LEAF_AS, ipv4Address: '10.1.0.1/32' },
        networks: ['10.1.0.1/32'],
      }),
      resource('BGPPeer', 'spine1', { interface: 'up1', asNumber: 'external', policy, linkBandwidth: '10G' }),
      resource('BGPPeer', 'spine2', { interface: 'up2', asNumber: 'external', policy, ...second }),
    );
  }

  beforeAll(async () => {
    lab = new Lab('wgt');
    leafHost = lab.host('leaf');
    leafHost.ip('addr add 10.1.0.1/32 dev lo');
    // Spread by ports, not by addresses alone.
    leafHost.sysctl('net.ipv4.fib_multipath_hash_policy', 1);
    spines = [1, 2].map((index) => {
      const host = lab.host(`spine${index}`);
      lab.link(leafHost, `up${index}`, [], host, 'down1', []);
      host.ip('addr add 10.9.0.1/32 dev lo');
      return startPodroute(
        host,
        yaml(
          resource('Node', `spine${index}`, {
            bgp: { asNumber: LEAF_AS + index, ipv4Address: `10.2.0.${index}/32` },
            networks: ['10.9.0.1/32'],
          }),
          resource('BGPPeer', 'leaf', { interface: 'down1', asNumber: LEAF_AS, policy }),
        ),
      );
    });
    leaf = startPodroute(leafHost, leafConfig({ linkBandwidth: '40G' }));
    await waitForPeers(leaf, 'spine1', 'spine2');
  });

  afterAll(async () => {
    await lab.close();
  });

  /** Weight by interface of the nexthop group that the anycast address leads to, as `ip nexthop` shows it. */
  function weights(): Record<string, number> {
    const [route] = kernelRoutes(leafHost, 4, 'exact 10.9.0.1 proto 177') as readonly { readonly nhid?: number }[];
    const objects = leafHost.ipJson<NextHopObject>('nexthop show');
    const group = objects.find(({ id }) => id === route?.nhid)?.group;
    return Object.fromEntries(
      (group ?? []).map(({ id, weight = 1 }) => [objects.find((object) => object.id === id)?.dev ?? '', weight]),
    );
  }

  function waitForWeights(expected: Record<string, number>): Promise<true> {
    return waitFor(`weights ${JSON.stringify(expected)}`, () => {
      const seen = weights();
      if (JSON.stringify(Object.entries(seen).sort()) === JSON.stringify(Object.entries(expected).sort())) return true;
      throw new Error(`${JSON.stringify(seen)} ${leafHost.ip('nexthop show')}`);
    });
  }

  test('are members of one nexthop group, with weights 1 and 4', async () => {
    await waitForWeights({ up1: 1, up2: 4 });
    expect((await bgpctl(leaf, 'fib', 'check')).status).toBe(0);
  });

  test('the kernel sends four of five flows over the wider link', async () => {
    const packets = (device: string): number => {
      const [link] = leafHost.ipJson<{ stats64: { tx: { packets: number } } }>(`-s link show dev ${device}`);
      return link?.stats64.tx.packets ?? 0;
    };
    await waitFor('the anycast address', () => leafHost.pings('10.9.0.1', ['-I', '10.1.0.1']), 10_000);
    const before = [packets('up1'), packets('up2')];
    // One datagram each from 600 ports to a port where nobody listens.
    const script = `
      const d = require('node:dgram'); let left = 600;
      for (let n = 0; n < 600; n++) {
        const s = d.createSocket('udp4');
        s.bind(0, '10.1.0.1', () => s.send('x', 9, '10.9.0.1', () => { s.close(); left--; }));
      }`;
    leafHost.run([process.execPath, '-e', script]);
    const sent = [packets('up1') - (before[0] ?? 0), packets('up2') - (before[1] ?? 0)];
    const share = (sent[1] ?? 0) / ((sent[0] ?? 0) + (sent[1] ?? 0));
    expect(sent[0]).toBeGreaterThan(0);
    expect(share).toBeGreaterThan(0.7);
    expect(share).toBeLessThan(0.9);
  });

  test('a reload changes the weights, and without a bandwidth they are equal', async () => {
    leafHost.write('podroute.yaml', leafConfig({ linkBandwidth: { rate: '20G', transitive: true } }));
    expect((await bgpctl(leaf, 'reload')).status).toBe(0);
    await waitForWeights({ up1: 1, up2: 2 });
    leafHost.write('podroute.yaml', leafConfig({}));
    expect((await bgpctl(leaf, 'reload')).status).toBe(0);
    await waitForWeights({ up1: 1, up2: 1 });
    expectNoBugs(leaf, ...spines);
  });
});
