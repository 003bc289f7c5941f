import { ip, Role } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import type { DesiredPeer } from '../../../config/desired-state.ts';
import { diffStates } from '../../../config/diff.ts';
import { compileErrors, documents, peerOf, podroute, stateOf } from './support.ts';

const node = (name: string, n: number, asn = 64512) =>
  podroute('Node', name, `ipv4Address: 10.0.0.${n}\nasNumber: ${asn}`);
const off = 'nodeToNodeMeshEnabled: false';

/** The peer `tor` of node `a` with these fields, and BGPConfiguration with those. */
function text(spec: string, configuration = '', peerAs = 65000): string {
  return documents(
    node('a', 1),
    podroute('BGPConfiguration', 'default', `${off}\n${configuration}`),
    podroute('BGPPeer', 'tor', `peerIP: 192.0.2.1\nasNumber: ${peerAs}\n${spec}`),
  );
}
const tor = (spec: string, configuration = '', peerAs = 65000): DesiredPeer =>
  peerOf(stateOf(text(spec, configuration, peerAs), 'a'), 'tor');
const problems = (spec: string, peerAs = 65000) =>
  compileErrors(text(spec, '', peerAs), 'a').map((problem) => problem.replace(/^.*?\): line \d+: |^.*line \d+: /, ''));

describe('rules for attributes of a BGPPeer', () => {
  const rows: readonly [string, Partial<DesiredPeer>][] = [
    ['asOverride: true', { asOverride: true }],
    ['removePrivateAS: true', { removePrivateAs: { all: false, replace: false } }],
    ['removePrivateAS: { all: true }', { removePrivateAs: { all: true, replace: false } }],
    ['removePrivateAS: { all: true, replaceAS: true }', { removePrivateAs: { all: true, replace: true } }],
    ['localRole: Customer', { role: Role.Customer }],
    ['localRole: RouteServerClient\nstrictRole: true', { role: Role.RouteServerClient, strictRole: true }],
    ['gracefulShutdown: true', { gracefulShutdown: true }],
    ['honorGracefulShutdown: false', { honoursGracefulShutdown: false }],
    ['aigp: true', { aigp: true }],
    ['allowASSets: true', { allowsAsSets: true }],
    ['nextHop: { ebgp: Self, ibgp: Keep }', { nextHopOf: { ebgp: 'self', ibgp: 'unchanged' } }],
    ['nextHop: { ibgp: Auto }', { nextHopOf: { ibgp: 'auto' } }],
    ['nextHop: { import: Peer }', { nextHopIn: 'peer' }],
  ];
  test.each(rows)('%s', (spec, expected) => {
    expect(tor(spec)).toMatchObject(expected);
  });

  test('a cluster of its own, for an iBGP peer', () => {
    const spec = 'clusterID: 10.9.9.9\nrouteReflectorClient: true\nclientToClientReflection: false';
    expect(tor(spec, '', 64512)).toMatchObject({ clusterId: ip('10.9.9.9'), clientToClient: false });
  });

  test('nothing is said where nothing is written', () => {
    const { asOverride, removePrivateAs, role, gracefulShutdown, aigp, allowsAsSets, clusterId, nextHopOf } = tor('');
    for (const value of [
      asOverride,
      removePrivateAs,
      role,
      gracefulShutdown,
      aigp,
      allowsAsSets,
      clusterId,
      nextHopOf,
    ]) {
      expect(value).toBeUndefined();
    }
  });

  test('the BGPConfiguration speaks for all peers, a BGPPeer for itself', () => {
    const all = 'gracefulShutdown: true\nallowASSets: true\nclientToClientReflection: false';
    expect(tor('', all)).toMatchObject({ gracefulShutdown: true, allowsAsSets: true, clientToClient: false });
    expect(tor('gracefulShutdown: false\nallowASSets: false', all)).toMatchObject({
      gracefulShutdown: false,
      allowsAsSets: false,
    });
  });

  test.each([
    ['asOverride: true', 64512, 'spec.asOverride: has a meaning for eBGP only'],
    ['removePrivateAS: true', 64512, 'spec.removePrivateAS: has a meaning for eBGP only'],
    ['localRole: Peer', 64512, 'spec.localRole: has a meaning for eBGP only'],
    ['strictRole: true', 65000, 'spec.strictRole: needs localRole'],
    ['clusterID: 10.9.9.9', 65000, 'spec.clusterID: only iBGP peers can be in a cluster'],
  ])('%s towards AS %s', (spec, peerAs, wanted) => {
    const [problem] = problems(spec, peerAs);
    expect(problem).toContain(wanted);
  });

  test.each([
    ['gracefulShutdown: true', 'refresh'],
    ['localRole: Peer', 'reset'],
    ['removePrivateAS: true', 'refresh'],
    ['allowASSets: true', 'refresh'],
  ])('a reload with %s is a %s', (spec, effect) => {
    const changes = diffStates(stateOf(text(''), 'a'), stateOf(text(spec), 'a'));
    expect(changes.find(({ kind }) => kind === 'peer')?.effect).toBe(effect);
  });
});

describe('confederations', () => {
  const confederation = 'confederation: { identifier: 65100, members: [64512, 64513] }';

  test('outside the node is the confederation, inside its member AS', () => {
    expect(tor('', confederation)).toMatchObject({ localAs: 65100, kind: 'ebgp' });
    expect(tor('', confederation).isConfederationMember).toBeUndefined();
    expect(tor('', confederation, 64513)).toMatchObject({ localAs: 64512, kind: 'ebgp', isConfederationMember: true });
    expect(tor('', confederation, 64512)).toMatchObject({ localAs: 64512, kind: 'ibgp' });
    expect(tor('localASNumber: 64000', confederation)).toMatchObject({ localAs: 64000, kind: 'ebgp' });
    expect(stateOf(text('', confederation), 'a').node).toMatchObject({ asn: 64512, confederationId: 65100 });
  });

  test('another confederation takes a new start', () => {
    const changes = diffStates(stateOf(text(''), 'a'), stateOf(text('', confederation), 'a'));
    expect(changes.find(({ kind }) => kind === 'node')).toMatchObject({ effect: 'restart' });
  });
});
