import { formatIp } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { parseRequest } from '../../../cni/request.ts';
import { CniError, supportedVersions } from '../../../cni/spec.ts';
import { type CniCall, rawRequest } from '../../support/cni-request.ts';

const good: CniCall = { command: 'ADD', containerId: 'c0ffee', ifName: 'eth0', netns: '/var/run/netns/x' };

function failure(call: CniCall): CniError {
  try {
    parseRequest(rawRequest(call));
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error('the request was accepted');
}

describe('refused', () => {
  const rows: { name: string; call: Partial<CniCall>; code: number; message: RegExp }[] = [
    { name: 'no command', call: { command: '' }, code: 4, message: /CNI_COMMAND/ },
    { name: 'unknown command', call: { command: 'PING' }, code: 4, message: /not a CNI command/ },
    { name: 'no container id', call: { containerId: '' }, code: 4, message: /CNI_CONTAINERID/ },
    { name: 'container id with a slash', call: { containerId: '../etc' }, code: 4, message: /CNI_CONTAINERID/ },
    { name: 'container id with a newline', call: { containerId: 'a\nb' }, code: 4, message: /CNI_CONTAINERID=a\\nb/ },
    { name: 'container id starting with a dash', call: { containerId: '-rf' }, code: 4, message: /CNI_CONTAINERID/ },
    { name: 'container id too long', call: { containerId: 'a'.repeat(256) }, code: 4, message: /at most 255/ },
    { name: 'no interface name', call: { ifName: '' }, code: 4, message: /CNI_IFNAME/ },
    { name: 'interface name too long', call: { ifName: 'a'.repeat(16) }, code: 4, message: /CNI_IFNAME/ },
    { name: 'interface name with a slash', call: { ifName: 'a/b' }, code: 4, message: /CNI_IFNAME/ },
    { name: 'interface name with a space', call: { ifName: 'a b' }, code: 4, message: /CNI_IFNAME/ },
    { name: 'interface name with a colon', call: { ifName: 'a:b' }, code: 4, message: /CNI_IFNAME/ },
    { name: 'interface name that the kernel would number', call: { ifName: 'eth%d' }, code: 4, message: /CNI_IFNAME/ },
    { name: 'interface name ..', call: { ifName: '..' }, code: 4, message: /CNI_IFNAME/ },
    { name: 'no namespace', call: { netns: '' }, code: 4, message: /CNI_NETNS/ },
    { name: 'relative namespace', call: { netns: 'netns/x' }, code: 4, message: /CNI_NETNS/ },
    { name: 'namespace with ..', call: { netns: '/var/run/netns/../../x' }, code: 4, message: /CNI_NETNS/ },
    { name: 'namespace too long', call: { netns: `/${'a'.repeat(4096)}` }, code: 4, message: /CNI_NETNS/ },
    { name: 'args without =', call: { args: 'IgnoreUnknown' }, code: 4, message: /CNI_ARGS/ },
    { name: 'not JSON', call: { stdin: '{' }, code: 6, message: /not JSON/ },
    { name: 'no object', call: { stdin: '[]' }, code: 7, message: /invalid/ },
    { name: 'no version', call: { stdin: '{"name":"n"}' }, code: 1, message: /cniVersion 0.1.0/ },
    { name: 'old version', call: { version: '0.2.0' }, code: 1, message: /cniVersion 0.2.0/ },
    { name: 'future version', call: { version: '2.0.0' }, code: 1, message: /cniVersion 2.0.0/ },
    { name: 'no name', call: { stdin: '{"cniVersion":"1.0.0"}' }, code: 7, message: /invalid/ },
    { name: 'name with a slash', call: { config: { name: 'a/b' } }, code: 7, message: /invalid/ },
    { name: 'mtu of the wrong type', call: { config: { mtu: '1500' } }, code: 7, message: /invalid/ },
    { name: 'mtu too small', call: { config: { mtu: 576 } }, code: 7, message: /mtu 576/ },
    { name: 'masquerading', call: { config: { ipMasq: true } }, code: 2, message: /ipMasq/ },
    { name: 'other ipam', call: { config: { ipam: { type: 'host-local' } } }, code: 2, message: /host-local/ },
    {
      name: 'addresses for the interface of another plugin',
      call: { config: { type: 'bridge', ipam: { type: 'podroute' } } },
      code: 2,
      message: /network of type bridge/,
    },
    { name: 'IP that is none', call: { args: 'IP=10.0.0' }, code: 7, message: /CNI_ARGS IP/ },
    { name: 'multicast IP', call: { args: 'IP=224.0.0.5' }, code: 7, message: /cannot be the address of a pod/ },
    {
      name: 'two IPv4',
      call: { config: { runtimeConfig: { ips: ['10.0.0.1', '10.0.0.2/24'] } } },
      code: 7,
      message: /2 IPv4/,
    },
    {
      name: 'CHECK before 0.4.0',
      call: { command: 'CHECK', version: '0.3.1' },
      code: 1,
      message: /CHECK exists since/,
    },
    { name: 'GC before 1.1.0', call: { command: 'GC' }, code: 1, message: /GC exists since/ },
    { name: 'STATUS before 1.1.0', call: { command: 'STATUS' }, code: 1, message: /STATUS exists since/ },
  ];
  test.each(rows)('$name: code $code', ({ call, code, message }) => {
    const error = failure({ ...good, ...call });
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

describe('accepted', () => {
  test.each(supportedVersions.map((version) => ({ version })))('ADD in $version', ({ version }) => {
    expect(parseRequest(rawRequest({ ...good, version }))).toMatchObject({
      command: 'ADD',
      containerId: 'c0ffee',
      ifName: 'eth0',
      netns: '/var/run/netns/x',
      config: { version, name: 'podroute', defaultRoutes: true },
    });
  });

  test('what containerd sends', () => {
    const args =
      'IgnoreUnknown=1;K8S_POD_UID=7f;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_INFRA_CONTAINER_ID=c0ffee';
    const config = {
      capabilities: { ips: true },
      runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { a: 'b' }, ips: null },
      prevResult: null,
    };
    expect(parseRequest(rawRequest({ ...good, args, config }))).toMatchObject({
      podNamespace: 'shop',
      podName: 'cart-0',
      wanted: [],
    });
  });

  test.each([
    { name: 'CNI_ARGS', call: { args: 'IP=10.0.0.9' }, wanted: ['10.0.0.9'] },
    { name: 'CNI_ARGS, both families', call: { args: 'IP=10.0.0.9,fd00::9' }, wanted: ['10.0.0.9', 'fd00::9'] },
    { name: 'runtimeConfig', call: { config: { runtimeConfig: { ips: ['fd00::9/64'] } } }, wanted: ['fd00::9'] },
    { name: 'args', call: { config: { args: { cni: { ips: ['10.0.0.9/24'] } } } }, wanted: ['10.0.0.9'] },
  ])('an address asked for in $name', ({ call, wanted }) => {
    const request = parseRequest(rawRequest({ ...good, ...call }));
    if (request.command !== 'ADD') throw new Error('no ADD');
    expect(request.wanted.map(formatIp)).toEqual(wanted);
  });

  test('DEL with an empty namespace and no interface name', () => {
    expect(parseRequest(rawRequest({ command: 'DEL', containerId: 'c0ffee', netns: '', ifName: '' }))).toEqual({
      command: 'DEL',
      containerId: 'c0ffee',
      config: { version: '1.0.0', name: 'podroute' },
    });
  });

  test('DEL of a pod whose ADD was refused for its configuration', () => {
    const call = { ...good, command: 'DEL', args: 'IP=nonsense', config: { mtu: 1, ipMasq: true } };
    expect(parseRequest(rawRequest(call))).toMatchObject({ command: 'DEL', ifName: 'eth0' });
  });

  test.each(['cni.dev/valid-attachments', 'cni.dev/attachments'])('GC with %s', (key) => {
    const config = { [key]: [{ containerID: 'a', ifname: 'eth0' }] };
    expect(parseRequest(rawRequest({ command: 'GC', version: '1.1.0', config }))).toMatchObject({
      config: { validAttachments: [{ containerId: 'a', ifName: 'eth0' }] },
    });
  });

  test('VERSION whatever is on standard input', () => {
    expect(parseRequest(rawRequest({ command: 'VERSION', netns: 'dummy', stdin: '' }))).toEqual({ command: 'VERSION' });
  });
});
