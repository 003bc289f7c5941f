import { formatIp, formatPrefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { readInterfaceAddresses } from '../../fib/interface-addresses.ts';
import { isRoot } from './lab-daemon.ts';
import { NetlinkLab } from './netlink-lab.ts';

describe.skipIf(!isRoot)('addresses of interfaces', () => {
  const lab = new NetlinkLab('ifaddr');
  const read = () =>
    readInterfaceAddresses({ netnsFd: lab.node.fd }).map(
      ({ interfaceName, address, subnet }) => `${interfaceName} ${formatIp(address)} ${formatPrefix(subnet)}`,
    );

  test('each with its interface and its subnet', () => {
    const found = read();
    expect(found).toContain('lo 127.0.0.1 127.0.0.0/8');
    expect(found).toContain('v0 10.0.0.1 10.0.0.0/24');
    expect(found).toContain('v0 fd00::1 fd00::/64');
  });

  test('also where the operational state is not "up" (yet): a session may be up before', () => {
    lab.node.ip('link set v1 down');
    expect(read()).toContain('v0 fd00::1 fd00::/64');
    expect(read()).toContain('v0 10.0.0.1 10.0.0.0/24');
  });

  test('not those of an interface that is taken down', () => {
    lab.node.ip('link set v0 down');
    expect(read().filter((line) => line.startsWith('v0 '))).toEqual([]);
  });
});
