import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab, type LabHost } from '../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../deploy/lab/podroute.ts';
import { waitFor } from '../support/wait-for.ts';
import { isRoot, resource, yaml } from './lab-daemon.ts';

/** A node with one pod behind a pool with `natOutgoing`, and a host outside that has no route back to pods. */
describe.skipIf(!isRoot)('natOutgoing', () => {
  let lab: Lab;
  let outside: LabHost;
  let node: LabHost;
  let pod: LabHost;
  let podroute: Podroute;

  const configuration = (natOutgoing: boolean) =>
    yaml(
      resource('Node', 'node', {
        asNumber: 64512,
        ipv4Address: '10.0.1.10/24',
        ipv6Address: 'fd00:0:0:1::10/64',
        podCIDRs: ['10.244.1.0/26', 'fd00:10:244:1::/122'],
      }),
      resource('IPPool', 'v4', { cidr: '10.244.0.0/16', natOutgoing }),
      resource('IPPool', 'v6', { cidr: 'fd00:10:244::/48', natOutgoing }),
      // Where the outside host has a second address: a pool too, so never translated.
      resource('IPPool', 'other', { cidr: '10.99.0.0/24' }),
    );

  beforeAll(() => {
    lab = new Lab('nat');
    outside = lab.host('outside');
    node = lab.host('node');
    pod = lab.host('pod');
    lab.link(outside, 'eth0', ['10.0.1.1/24', 'fd00:0:0:1::1/64', '10.99.0.1/32'], node, 'eth0', [
      '10.0.1.10/24',
      'fd00:0:0:1::10/64',
    ]);
    node.ip('route add default via 10.0.1.1');
    node.ip('-6 route add default via fd00:0:0:1::1');
    podroute = startPodroute(node, configuration(true));
  });

  afterAll(() => lab?.close());

  test('a pod reaches what does not know pods, behind its node; towards a pool its own address stays', async () => {
    await waitFor('podrouted answers', () => podroute.tryBgpctl('health').status === 0, 20_000);
    const added = podroute.cni('ADD', { id: 'pod', netns: pod.namespacePath });
    expect(added.status, added.stdout + added.stderr).toBe(0);
    await waitFor('rules', () => node.try(['nft', 'list', 'table', 'ip', 'podroute-nat']).status === 0, 10_000);
    await waitFor('an answer over IPv4', () => pod.pings('10.0.1.1'), 10_000);
    await waitFor('an answer over IPv6', () => pod.pings('fd00:0:0:1::1'), 10_000);
    expect(pod.pings('10.99.0.1')).toBe(false);
    // The other way round nothing is translated: with a route the pod answers under its own address.
    outside.ip('route add 10.244.1.0/26 via 10.0.1.10');
    expect(pod.pings('10.99.0.1')).toBe(true);
    outside.ip('route del 10.244.1.0/26 via 10.0.1.10');
  });

  test('switched off by a reload, nothing is translated any more, and other tables are left alone', async () => {
    node.run(['nft', 'add', 'table', 'ip', 'foreign']);
    node.write('podroute.yaml', configuration(false));
    podroute.bgpctl('reload');
    await waitFor('no rules', () => !node.run(['nft', 'list', 'tables']).includes('podroute-nat'), 10_000);
    expect(pod.pings('10.0.1.1')).toBe(false);
    expect(node.run(['nft', 'list', 'tables'])).toContain('table ip foreign');
  });
});
