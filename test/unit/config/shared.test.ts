import { formatIp } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { parseResources } from '../../../config/load.ts';
import { mergeRegistered, mergeStored, registeredNodeText } from '../../../config/shared.ts';

const read = (name: string, ...texts: string[]) => parseResources([{ name, text: texts.join('---\n') }]).resources;
const node = (name: string, spec: string, labels = '{}') =>
  `apiVersion: podroute.io/v1\nkind: Node\nmetadata: { name: ${name}, labels: ${labels} }\nspec: ${spec}\n`;
const registered = (name: string) => ({
  name,
  asNumber: 64999,
  ipv4Address: '10.0.0.1',
  routerId: '10.0.0.1',
  clusterId: '10.0.0.9',
  labels: { rack: 'r1', zone: 'z1' },
});

describe('files and the store', () => {
  test('a resource in both is taken from the file, and both places are named', () => {
    const files = read('node.yaml', node('a', '{ asNumber: 1 }'));
    const stored = read('store: Node a', node('a', '{ asNumber: 2 }'));
    const { resources, problems } = mergeStored(files, [
      ...stored,
      ...read('store: Node b', node('b', '{ asNumber: 3 }')),
    ]);
    expect(resources.map(({ name, spec }) => `${name} ${(spec as { asNumber: number }).asNumber}`)).toEqual([
      'a 1',
      'b 3',
    ]);
    expect(problems).toMatchObject([
      { severity: 'warning', file: 'store: Node a', message: 'is also in node.yaml, document 1, which holds' },
    ]);
  });
});

describe('registered nodes', () => {
  const text = (name: string) => read(`registration of ${name}`, registeredNodeText(registered(name)));

  test('a node that nobody wrote down is what it registered', () => {
    const [made] = mergeRegistered([], text('a'), 'self');
    if (made?.kind !== 'Node') throw new Error('no Node');
    const { asNumber, ipv4Address, routeReflectorClusterID } = made.spec;
    expect([
      asNumber,
      ipv4Address && formatIp(ipv4Address),
      routeReflectorClusterID && formatIp(routeReflectorClusterID),
    ]).toEqual([64999, '10.0.0.1', '10.0.0.9']);
    expect(made.labels).toEqual({ rack: 'r1', zone: 'z1' });
  });

  test('what somebody wrote holds, field by field and label by label', () => {
    const written = read('nodes.yaml', node('a', '{ asNumber: 7 }', '{ rack: r2 }'));
    const [made] = mergeRegistered(written, text('a'), 'self');
    if (made?.kind !== 'Node') throw new Error('no Node');
    expect(made.spec.asNumber).toBe(7);
    expect(made.spec.ipv4Address && formatIp(made.spec.ipv4Address)).toBe('10.0.0.1');
    expect(made.labels).toEqual({ rack: 'r2', zone: 'z1' });
  });

  test('this node is never what its own registration says', () => {
    const written = read('nodes.yaml', node('self', '{ asNumber: 7 }'));
    const [made] = mergeRegistered(written, text('self'), 'self');
    if (made?.kind !== 'Node') throw new Error('no Node');
    expect(made.spec.ipv4Address).toBeUndefined();
    expect(mergeRegistered([], text('self'), 'self')).toEqual([]);
  });
});
