import { formatIp, ip } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { type DetectionInput, detectAddress } from '../../../../config/nodes/address-detection.ts';
import { parseDetectionMethod } from '../../../../config/nodes/detection-method.ts';
import type { MachineInterface } from '../../../../lib/machine.ts';

type Flags = MachineInterface['addresses'][number]['flags'];

/** An interface that is up, with addresses written `10.0.0.1/24`. */
function link(
  name: string,
  index: number,
  addresses: readonly string[],
  more: Partial<MachineInterface> = {},
  flags: Flags = [],
) {
  return {
    index,
    name,
    isLoopback: false,
    isUp: true,
    addresses: addresses.map((text) => {
      const [address = '', length] = text.split('/');
      return { address: ip(address), prefixLength: Number(length), scope: 'global' as const, flags };
    }),
    ...more,
  };
}

const eth0 = link('eth0', 2, ['10.0.0.1/24']);
const eth1 = link('eth1', 3, ['10.0.1.1/24']);

function detect(interfaces: readonly MachineInterface[], text = 'first-found', more: Partial<DetectionInput> = {}) {
  const method = parseDetectionMethod(text, 4);
  if (!method.ok) throw new Error(method.error);
  const found = detectAddress({ version: 4, method: method.value, interfaces, defaultDevices: [], ...more });
  const reasons = Object.fromEntries(found.candidates.map(({ interfaceName, reason }) => [interfaceName, reason]));
  return { address: found.chosen && formatIp(found.chosen.address), reasons };
}

describe('what is chosen', () => {
  test.each<[string, readonly MachineInterface[], string, Partial<DetectionInput>, string | undefined]>([
    ['the first one', [eth0, eth1], 'first-found', {}, '10.0.0.1'],
    ['that of the default route', [eth0, eth1], 'first-found', { defaultDevices: ['eth1'] }, '10.0.1.1'],
    ['that chosen before', [eth0, eth1], 'first-found', { kept: ip('10.0.1.1') }, '10.0.1.1'],
    ['another, if that is gone', [eth0, eth1], 'first-found', { kept: ip('10.0.9.1') }, '10.0.0.1'],
    ['by pattern', [eth0, eth1], 'interface=h1$,nothing', {}, '10.0.1.1'],
    ['without a pattern', [eth0, eth1], 'skip-interface=eth0', {}, '10.0.1.1'],
    ['by prefix', [eth0, eth1], 'cidr=10.9.0.0/16,10.0.1.0/24', {}, '10.0.1.1'],
    [
      'by a destination',
      [eth0, eth1],
      'can-reach=192.0.2.1',
      { towards: { device: 'eth1', source: ip('10.0.1.1') } },
      '10.0.1.1',
    ],
    ['nothing where no route leads', [eth0], 'can-reach=192.0.2.1', {}, undefined],
    [
      'a network before a single address',
      [link('eth0', 2, ['10.0.0.9/32', '10.0.0.1/24'])],
      'first-found',
      {},
      '10.0.0.1',
    ],
    [
      'a bridge by its very name',
      [link('br0', 1, ['10.0.0.5/24'], { kind: 'bridge' }), eth1],
      'interface=br0',
      {},
      '10.0.0.5',
    ],
    ['no bridge by a pattern', [link('br0', 1, ['10.0.0.5/24'], { kind: 'bridge' })], 'interface=br.*', {}, undefined],
    [
      'the veth end of a node that is a container',
      [link('eth0', 2, ['10.0.0.1/24'], { kind: 'veth' })],
      'first-found',
      { defaultDevices: ['eth0'] },
      '10.0.0.1',
    ],
  ])('%s', (_name, interfaces, method, more, expected) => {
    expect(detect(interfaces, method, more).address).toBe(expected);
  });
});

describe('what is passed over', () => {
  test.each<[MachineInterface, string]>([
    [link('docker0', 1, ['172.17.0.1/16'], { kind: 'bridge' }), 'is a bridge'],
    [
      link('x0', 1, ['10.9.0.1/24'], { kind: 'veth' }),
      'is the end of a veth pair, and no default route leaves through it',
    ],
    [link('x0', 1, ['10.9.0.1/24'], { kind: 'vxlan' }), 'is a tunnel (vxlan)'],
    [link('x0', 1, ['10.9.0.1/24'], { kind: 'wireguard' }), 'is a tunnel (wireguard)'],
    [link('x0', 1, ['10.9.0.1/24'], { kind: 'dummy' }), 'is a dummy: no network is behind it'],
    [link('x0', 1, ['10.9.0.1/24'], { kind: 'tun' }), 'is a tun or tap device'],
    [link('cali0123', 1, ['10.9.0.1/24']), 'has the name of an interface that a network plugin makes'],
    [link('lo', 1, ['10.9.0.1/32'], { isLoopback: true }), 'is the loopback interface'],
    [link('x0', 1, ['10.9.0.1/24'], { isUp: false }), 'is down'],
    [link('x0', 1, ['10.9.0.1/24'], { master: 'bond0' }), 'belongs to bond0'],
    [link('x0', 1, []), 'has no IPv4 address'],
    [link('x0', 1, ['10.9.0.1/24'], {}, ['secondary']), 'is not the first address of its network'],
    [link('x0', 1, ['10.9.0.1/24'], {}, ['deprecated']), 'is deprecated'],
    [link('x0', 1, ['10.9.0.1/24'], {}, ['duplicate']), 'another machine on the link has it, too'],
  ])('$name: %#', (passed, reason) => {
    const { address, reasons } = detect([passed, eth0]);
    expect(address).toBe('10.0.0.1');
    expect(reasons[passed.name]).toBe(reason);
  });

  test('one that is as good is told what was better', () => {
    expect(detect([eth0, eth1]).reasons).toEqual({
      eth0: 'is the first one',
      eth1: 'is possible, but eth0 is before it',
    });
  });
});

describe('methods that are refused', () => {
  test.each([
    ['kubernetes-internal-ip', 'does not ask the API server of Kubernetes'],
    ['can-reach=example.com', 'must be an address'],
    ['can-reach=2001:db8::1', 'must be of IPv4'],
    ['cidr=10.0.0.1/24', 'did you mean 10.0.0.0/24'],
    ['interface=(', 'must be a regular expression'],
    ['interface=', 'must be first-found'],
    ['last-found', 'must be first-found'],
  ])('%s', (text, message) => {
    expect(parseDetectionMethod(text, 4)).toEqual({ ok: false, error: expect.stringContaining(message) });
  });
});
