import { describe, expect, test } from 'vitest';
import { parseResources } from '../../../../config/load.ts';
import { compileNodes, type Plan, planChange } from '../../../../config/plan/plan.ts';
import { toResourceSet } from '../../../../config/resource-set.ts';

const set = (...texts: string[]) => {
  const { resources, problems } = parseResources([{ name: 'cluster.yaml', text: texts.join('---\n') }]);
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  return toResourceSet(resources, new Map());
};
const node = (n: number, more = '', labels = '{}') =>
  `apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: { name: n${n}, labels: ${labels} }\nspec: { bgp: { ipv4Address: 10.0.0.${n}/24${more} } }\n`;
const configuration = (mesh: boolean) =>
  `apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: { name: default }\nspec: { nodeToNodeMeshEnabled: ${mesh}, asNumber: 64512 }\n`;
const peer = (name: string, spec: string) =>
  `apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: { name: ${name} }\nspec: ${spec}\n`;
const reflector = (n: number) => node(n, ', routeReflectorClusterID: 10.0.0.99', '{ rr: "true" }');
const toReflectors = peer('rr', '{ nodeSelector: all(), peerSelector: has(rr) }');

async function plan(before: string[], after: string[]): Promise<Plan> {
  const pause = async () => {};
  const [old, next] = [await compileNodes(set(...before), pause), await compileNodes(set(...after), pause)];
  expect(next.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  return planChange(old, next, pause);
}
const of = ({ nodes }: Plan, name: string) => nodes.find((one) => one.node === name);

describe('what a change would do', () => {
  test('nothing', async () => {
    const mesh = [configuration(true), node(1), node(2)];
    expect(await plan(mesh, mesh)).toEqual({ nodes: [], disconnected: [] });
  });

  test('a node that joins a mesh: a session and its routes for everybody', async () => {
    const mesh = [configuration(true), node(1), node(2)];
    const result = await plan(mesh, [...mesh, node(3)]);
    expect(of(result, 'n1')).toEqual({
      node: 'n1',
      sessions: [{ peer: 'mesh/n3', action: 'add' }],
      gained: ['n3'],
      lost: [],
      onlyOutside: [],
    });
    expect(of(result, 'n3')).toMatchObject({ sessions: [{ action: 'add' }, { action: 'add' }], gained: ['n1', 'n2'] });
    expect(result.disconnected).toEqual([]);
  });

  test('the mesh switched off with nothing in its place: everybody is cut off, and it is said who from whom', async () => {
    const result = await plan([configuration(true), node(1), node(2)], [configuration(false), node(1), node(2)]);
    expect(of(result, 'n1')).toMatchObject({ sessions: [{ peer: 'mesh/n2', action: 'remove' }], lost: ['n2'] });
    expect(result.disconnected).toEqual([
      { from: 'n1', to: 'n2' },
      { from: 'n2', to: 'n1' },
    ]);
  });

  test('from the mesh to a reflector: sessions change, no route is lost', async () => {
    const before = [configuration(true), reflector(1), node(2), node(3)];
    const result = await plan(before, [configuration(false), toReflectors, reflector(1), node(2), node(3)]);
    expect(of(result, 'n2')?.sessions.map(({ peer: name, action }) => `${action} ${name}`)).toContain('remove mesh/n3');
    expect(result.nodes.flatMap(({ lost }) => lost)).toEqual([]);
    expect(result.disconnected).toEqual([]);
  });

  test('the only reflector goes: its clients no longer hear of each other', async () => {
    const before = [configuration(false), toReflectors, reflector(1), node(2), node(3)];
    const result = await plan(before, [configuration(false), toReflectors, node(1), node(2), node(3)]);
    expect(result.disconnected).toContainEqual({ from: 'n2', to: 'n3' });
  });

  test('a router outside may still carry what nodes no longer tell each other', async () => {
    const tor = peer('tor', '{ peerIP: 10.0.0.254, asNumber: 65000 }');
    const result = await plan(
      [configuration(true), tor, node(1), node(2)],
      [configuration(false), tor, node(1), node(2)],
    );
    expect(of(result, 'n1')).toMatchObject({ lost: [], onlyOutside: ['n2'] });
    expect(result.disconnected).toEqual([]);
  });

  test('a session that begins anew, with the reason', async () => {
    const tor = (as: number) => peer('tor', `{ peerIP: 10.0.0.254, asNumber: ${as} }`);
    const result = await plan([configuration(true), tor(65000), node(1)], [configuration(true), tor(65001), node(1)]);
    expect(of(result, 'n1')?.sessions).toEqual([
      { peer: 'tor', action: 'reset', detail: expect.stringContaining('65000 -> 65001') },
    ]);
  });

  test('a node that leaves is not counted as lost by the others', async () => {
    const result = await plan([configuration(true), node(1), node(2)], [configuration(true), node(1)]);
    expect(of(result, 'n1')).toMatchObject({ sessions: [{ peer: 'mesh/n2', action: 'remove' }], lost: [] });
    expect(result.disconnected).toEqual([]);
  });
});
