import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bird, startBird } from '../../deploy/lab/bird.ts';
import { type Frr, startFrr } from '../../deploy/lab/frr.ts';
import { Lab, type LabHost } from '../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../deploy/lab/podroute.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  expectNoBugs,
  isRoot,
  kernelRoutes,
  peerOf,
  resource,
  routesOf,
  waitForPeers,
  waitForRoute,
  yaml,
} from './lab-daemon.ts';

const LEAF_AS = 65001;
const SPINE_AS = 65002;
const FRR_AS = 65003;
const BIRD_AS = 65004;

/** A link without any configured address: both ends have what the kernel gives them. */
function bareLink(lab: Lab, a: LabHost, aName: string, b: LabHost, bName: string): void {
  lab.link(a, aName, [], b, bName, []);
}

function linkLocalOf(host: LabHost, device: string): Promise<string> {
  return waitFor(`link-local address of ${device}`, () => {
    const [link] = host.ipJson<{ addr_info: { local: string; scope: string }[] }>(`-6 addr show dev ${device}`);
    return link?.addr_info.find(({ scope }) => scope === 'link')?.local;
  });
}

function loopback(host: LabHost, ...addresses: string[]): void {
  for (const address of addresses) host.ip(`addr add ${address} dev lo`);
}

describe.skipIf(!isRoot)('a fabric without addresses on its links', () => {
  let lab: Lab;
  let leaf: Podroute;
  let spine: Podroute;
  let frr: Frr;
  let bird: Bird;
  let [leafHost, spineHost, frrHost, birdHost]: LabHost[] = [];
  const filter = { import: 'accept', export: 'accept' };

  beforeAll(async () => {
    lab = new Lab('unn');
    leafHost = lab.host('leaf');
    spineHost = lab.host('spine');
    frrHost = lab.host('frr');
    birdHost = lab.host('bird');
    bareLink(lab, leafHost, 'up1', spineHost, 'down1');
    bareLink(lab, spineHost, 'down2', frrHost, 'up1');
    bareLink(lab, spineHost, 'down3', birdHost, 'up1');
    loopback(leafHost, '10.1.0.1/32', 'fd00:1::1/128');
    loopback(spineHost, '10.2.0.1/32', 'fd00:2::1/128');
    loopback(frrHost, '10.3.0.1/32', 'fd00:3::1/128');
    loopback(birdHost, '10.4.0.1/32', 'fd00:4::1/128');
    leaf = startPodroute(
      leafHost,
      yaml(
        resource('Node', 'leaf', {
          bgp: { asNumber: LEAF_AS, ipv4Address: '10.1.0.1/32', ipv6Address: 'fd00:1::1/128' },
          networks: ['10.1.0.1/32', 'fd00:1::1/128'],
        }),
        resource('BGPPeer', 'spine', { interface: 'up1', asNumber: 'external', holdTime: '9s', policy: filter }),
      ),
    );
    spine = startPodroute(
      spineHost,
      yaml(
        resource('Node', 'spine', {
          bgp: { asNumber: SPINE_AS, ipv4Address: '10.2.0.1/32', ipv6Address: 'fd00:2::1/128' },
          networks: ['10.2.0.1/32', 'fd00:2::1/128'],
        }),
        resource('BGPPeer', 'leaf', { interface: 'down1', asNumber: LEAF_AS, holdTime: '9s', policy: filter }),
        resource('BGPPeer', 'frr', { interface: 'down2', asNumber: FRR_AS, holdTime: '9s', policy: filter }),
        resource('BGPPeer', 'bird', { interface: 'down3', asNumber: BIRD_AS, holdTime: '9s', policy: filter }),
      ),
    );
    frr = startFrr(frrHost, [
      'hostname frr',
      'ip forwarding',
      'ipv6 forwarding',
      `router bgp ${FRR_AS}`,
      ' bgp router-id 10.3.0.1',
      ' no bgp ebgp-requires-policy',
      ' timers bgp 3 9',
      ' neighbor up1 interface remote-as external',
      ' neighbor up1 timers connect 1',
      ' neighbor up1 advertisement-interval 0',
      ' address-family ipv4 unicast',
      '  network 10.3.0.1/32',
      ' exit-address-family',
      ' address-family ipv6 unicast',
      '  neighbor up1 activate',
      '  network fd00:3::1/128',
      ' exit-address-family',
    ]);
    // BIRD does not listen to router advertisements: it is told whom to call, and podrouted finds it by its call.
    bird = startBird(
      birdHost,
      `router id 10.4.0.1;
protocol device { }
protocol direct { ipv4; ipv6; interface "lo"; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
protocol bgp spine {
  local as ${BIRD_AS};
  neighbor ${await linkLocalOf(spineHost, 'down3')}%up1 as ${SPINE_AS};
  hold time 9;
  connect retry time 1;
  ipv4 { extended next hop on; import all; export where source = RTS_DEVICE; };
  ipv6 { import all; export where source = RTS_DEVICE; };
}
`,
    );
    await waitForPeers(leaf, 'spine');
    await waitForPeers(spine, 'leaf', 'frr', 'bird');
  });

  afterAll(async () => {
    await lab.close();
  });

  test('the neighbours found each other, and agreed on IPv6 next hops for IPv4', async () => {
    const peer = await peerOf(leaf, 'spine');
    expect(peer.address).toBe(`${await linkLocalOf(spineHost as LabHost, 'down1')}%up1`);
    expect(peer.remoteAs).toBe(SPINE_AS);
    for (const name of ['leaf', 'frr', 'bird']) {
      const { families } = await peerOf(spine, name);
      expect(families.map(({ family, inForce }) => `${family} ${inForce}`)).toEqual([
        'ipv4-unicast true',
        'ipv6-unicast true',
      ]);
    }
  });

  test('kernel routes of both families lead to link-local gateways', async () => {
    const gateway = await linkLocalOf(spineHost as LabHost, 'down1');
    for (const dst of ['fd00:2::1', 'fd00:3::1']) await waitForRoute(leafHost as LabHost, dst, gateway);
    for (const dst of ['10.2.0.1', '10.3.0.1']) {
      await waitFor(`${dst} by way of IPv6`, () => {
        const [route] = kernelRoutes(leafHost as LabHost, 4, `exact ${dst} proto 177`);
        const text = JSON.stringify(route);
        if (!text?.includes('"inet6"') || !text.includes(gateway)) throw new Error(text);
        return route;
      });
    }
    const [route] = await routesOf(leaf, '10.3.0.1/32');
    expect(route?.attributes.nextHop).toBe(gateway);
  });

  test('packets of both families go from end to end, through both kinds of speaker', async () => {
    for (const [from, to, source] of [
      [leafHost, '10.3.0.1', '10.1.0.1'],
      [leafHost, 'fd00:3::1', 'fd00:1::1'],
      [frrHost, '10.1.0.1', '10.3.0.1'],
      [frrHost, 'fd00:1::1', 'fd00:3::1'],
      [leafHost, '10.4.0.1', '10.1.0.1'],
      [leafHost, 'fd00:4::1', 'fd00:1::1'],
      [birdHost, '10.3.0.1', '10.4.0.1'],
    ] as const) {
      await waitFor(`${source} to reach ${to}`, () => (from as LabHost).pings(to, ['-I', source]), 10_000);
    }
  });

  test('FRR has our IPv4 routes with our link-local address as next hop', async () => {
    const own = await linkLocalOf(spineHost as LabHost, 'down2');
    const shown = frr.vtysh('show bgp ipv4 unicast 10.1.0.1/32');
    expect(shown).toContain(own);
    expect(frr.vtysh('show bgp neighbor up1')).toMatch(/Extended nexthop: advertised and received|IPv4 Unicast\s*$/m);
  });

  test('BIRD, which called, has our IPv4 routes with our link-local address as next hop', async () => {
    const own = await linkLocalOf(spineHost as LabHost, 'down3');
    expect(bird.birdc('show route 10.1.0.1/32 all')).toMatch(new RegExp(`via ${own} on up1`));
    expect((await peerOf(spine, 'bird')).address).toBe(`${await linkLocalOf(birdHost as LabHost, 'up1')}%down3`);
  });

  test('a neighbour that comes back with another address is found again', async () => {
    const host = spineHost as LabHost;
    const before = await linkLocalOf(host, 'down1');
    host.ip('link set down1 down');
    host.ip('link set down1 address 02:00:00:00:00:77');
    host.ip('link set down1 up');
    const after = await linkLocalOf(host, 'down1');
    expect(after).not.toBe(before);
    await waitFor(
      'the session with the new address',
      async () => {
        const peer = await peerOf(leaf, 'spine');
        if (peer.state !== 'Established' || peer.address !== `${after}%up1`) throw new Error(JSON.stringify(peer));
        return peer;
      },
      60_000,
    );
    await waitForRoute(leafHost as LabHost, 'fd00:3::1', after);
    await waitFor('packets', () => (leafHost as LabHost).pings('10.3.0.1', ['-I', '10.1.0.1']), 10_000);
  });

  test('nobody logged a bug', () => {
    expectNoBugs(leaf, spine);
  });
});
