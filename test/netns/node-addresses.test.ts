import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab, type LabHost } from '../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../deploy/lab/podroute.ts';
import type { ApiDetection, NodeReply } from '../../lib/api-cluster.ts';
import { waitFor } from '../support/wait-for.ts';
import { isRoot, resource, yaml } from './lab-daemon.ts';

/** A machine with two ways out, and with all that container runtimes and plugins leave lying about. */
describe.skipIf(!isRoot)('a node whose Node names no address', () => {
  let lab: Lab;
  let machine: LabHost;
  let daemon: Podroute;

  beforeAll(() => {
    lab = new Lab('det');
    machine = lab.host('machine');
    const outside = lab.host('outside');
    // The lowest index and an address at once: what a plain list of interfaces begins with.
    machine.ip('link add docker0 type bridge');
    machine.ip('addr add 172.17.0.1/16 dev docker0');
    machine.ip('link set docker0 up');
    lab.link(machine, 'veth1a2b3c', ['10.88.0.1/16'], lab.host('pod'), 'eth0', ['10.88.0.2/16']);
    // Kernels of small machines have no dummy; ifb stands in for it.
    if (machine.try(['ip', 'link', 'add', 'spare0', 'type', 'dummy']).status !== 0) {
      machine.ip('link add spare0 type ifb');
    }
    machine.ip('addr add 10.99.0.1/32 dev spare0');
    machine.ip('link set spare0 up');
    lab.link(machine, 'eth0', ['10.0.0.1/24', 'fd00::1/64'], outside, 'a0', ['10.0.0.254/24', 'fd00::ff/64']);
    lab.link(machine, 'eth1', ['10.0.1.1/24'], outside, 'a1', ['10.0.1.254/24']);
    machine.ip('route add default via 10.0.0.254');
    daemon = startPodroute(machine, yaml(resource('Node', 'machine', { asNumber: 64512 })));
  });

  afterAll(() => lab?.close());

  const isUp = () => waitFor('the daemon answers', () => daemon.tryBgpctl('health').status === 0, 20_000);
  const detection = (version: 4 | 6): ApiDetection => {
    const { addresses } = daemon.bgpctlJson<NodeReply>('node');
    return addresses.find((one) => one.version === version) as ApiDetection;
  };
  const reasonOf = (name: string) => detection(4).candidates.find((one) => one.interface === name)?.reason;
  const restart = async (): Promise<void> => {
    await daemon.process.stop();
    daemon.restart();
    await isUp();
  };

  test('takes that of the default route, and says what it thinks of all others', async () => {
    await isUp();
    expect(daemon.bgpctlJson<NodeReply>('node').node).toMatchObject({ ipv4Address: '10.0.0.1', routerId: '10.0.0.1' });
    expect(detection(4)).toMatchObject({ method: 'first-found', address: '10.0.0.1', interface: 'eth0' });
    const shown = daemon.bgpctl('node');
    expect(shown).toContain('IPv4 address: 10.0.0.1 (on eth0, by first-found)');
    expect(shown).toMatch(/^eth0 +veth +10\.0\.0\.1\/24 +yes +the default route leaves through its interface$/m);
    expect(shown).toMatch(/^docker0 +bridge +172\.17\.0\.1\/16 +no +is a bridge$/m);
    expect(shown).toMatch(/^spare0 +\w+ +10\.99\.0\.1\/32 +no +is a dummy: no network is behind it$/m);
    expect(reasonOf('veth1a2b3c')).toBe('has the name of an interface that a network plugin makes');
    expect(reasonOf('eth1')).toBe('is the end of a veth pair, and no default route leaves through it');
  });

  test('keeps it over a restart, though another would be taken by now', async () => {
    machine.ip('route replace default via 10.0.1.254');
    await restart();
    expect(detection(4)).toMatchObject({ address: '10.0.0.1', interface: 'eth0' });
    expect(reasonOf('eth0')).toMatch(/^was chosen before and is still there, though by now it is the end of a veth/);
    expect(reasonOf('eth1')).toBe('is possible, but 10.0.0.1 was chosen before and is still there');
  });

  test('keeps it while it runs when the machine loses it, and says so', () => {
    machine.ip('addr del 10.0.0.1/24 dev eth0');
    expect(daemon.bgpctlJson<NodeReply>('node').node).toMatchObject({ ipv4Address: '10.0.0.1', routerId: '10.0.0.1' });
    expect(detection(4).problem).toContain('is no longer on this machine (it was on eth0)');
    expect(detection(4).problem).toContain('would then take 10.0.1.1');
  });

  test('picks anew at the next start', async () => {
    await restart();
    expect(detection(4)).toMatchObject({ address: '10.0.1.1', interface: 'eth1' });
    expect(detection(4).problem).toBeUndefined();
    expect(daemon.process.log()).toContain('"before":"10.0.0.1"');
  });

  test('does as the Speaker says, for each version', async () => {
    machine.ip('addr add 10.0.0.1/24 dev eth0');
    machine.ip('route replace default via 10.0.0.254');
    const methods = { ipv4: 'can-reach=10.0.0.254', ipv6: 'interface=eth0' };
    const text = yaml(
      resource('Node', 'machine', { asNumber: 64512 }),
      resource('Speaker', 'default', { addressDetection: methods }),
    );
    writeFileSync(daemon.configPath, text);
    await restart();
    expect(detection(4)).toMatchObject({ method: methods.ipv4, address: '10.0.0.1', interface: 'eth0' });
    expect(detection(6)).toMatchObject({ method: methods.ipv6, address: 'fd00::1', interface: 'eth0' });
  });

  test('does not start without an address that it was told to find', async () => {
    await daemon.process.stop();
    const addressDetection = { ipv4: 'interface=br.*' };
    writeFileSync(
      daemon.configPath,
      yaml(resource('Node', 'machine', { asNumber: 64512 }), resource('Speaker', 'default', { addressDetection })),
    );
    daemon.restart();
    await waitFor('its end', () => !daemon.process.isRunning(), 20_000);
    expect(daemon.process.log()).toContain('no IPv4 address of this node found by interface=br.*');
    expect(daemon.process.log()).toContain('10.0.0.1 on eth0 does not match the pattern');
  });
});
