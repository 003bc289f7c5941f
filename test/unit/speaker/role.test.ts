import { type Capability, ip, type OpenMessage, Role } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { negotiate, offeredCapabilities, openProblem } from '../../../speaker/negotiate.ts';
import { needsReset } from '../../../speaker/settings-change.ts';
import { peerSettings } from '../../support/session-lab.ts';

const { Provider, RouteServer, RouteServerClient, Customer, Peer } = Role;
const addresses = { localAddress: ip('10.0.0.1'), remoteAddress: ip('10.0.0.2') };
const plain: readonly Capability[] = [
  { type: 'multiprotocol', afi: 1, safi: 1 },
  { type: 'four-octet-as', asn: 65002 },
];

/** An OPEN with these roles in it. */
function theirs(...roles: number[]): OpenMessage {
  const capabilities = [...plain, ...roles.map((role): Capability => ({ type: 'role', role }))];
  return { version: 4, myAs: 65002, holdSeconds: 90, routerId: ip('10.0.0.2'), capabilities };
}

function outcome(role: Role | undefined, strictRole: boolean, open: OpenMessage): string {
  const settings = peerSettings('10.0.0.2', { ...(role === undefined ? {} : { role }), strictRole });
  const result = negotiate(settings, open, addresses);
  if (result.ok) return 'accepted';
  const { code, subcode } = result.error;
  return `${code}/${subcode} ${openProblem(settings, open)}`;
}

describe('roles in the OPEN (RFC 9234 §4.2)', () => {
  const good: readonly [Role, Role][] = [
    [Provider, Customer],
    [Customer, Provider],
    [RouteServer, RouteServerClient],
    [RouteServerClient, RouteServer],
    [Peer, Peer],
  ];

  test('every pair but the five of the table is refused with 2/11', () => {
    for (const ours of Object.values(Role)) {
      for (const other of Object.values(Role)) {
        const isGood = good.some(([a, b]) => a === ours && b === other);
        expect(outcome(ours, false, theirs(other)).slice(0, 8)).toBe(isGood ? 'accepted' : '2/11 rol');
      }
    }
  });

  test.each<[string, Role | undefined, boolean, number[], string]>([
    ['the peer has none', Customer, false, [], 'accepted'],
    ['the peer has none, strict', Customer, true, [], '2/11 no role: ours is Customer, and strict'],
    ['we have none', undefined, false, [Peer], 'accepted'],
    ['we have none, strict', undefined, true, [], 'accepted'],
    ['the same one twice', Customer, true, [Provider, Provider], 'accepted'],
    ['two', Customer, false, [Provider, Peer], '2/11 Provider and Peer: more than one role'],
    ['one without a name', Peer, false, [9], '2/11 role role 9: ours is Peer'],
  ])('%s', (_name, role, isStrict, roles, wanted) => {
    expect(outcome(role, isStrict, theirs(...roles))).toBe(wanted);
  });

  test('is offered, and a change of it needs a new session', () => {
    const settings = peerSettings('10.0.0.2', { role: Provider });
    expect(offeredCapabilities(settings)).toContainEqual({ type: 'role', role: 0 });
    expect(offeredCapabilities(peerSettings('10.0.0.2')).some(({ type }) => type === 'role')).toBe(false);
    expect(needsReset(settings, { ...settings, role: Peer })).toBe(true);
    expect(needsReset(settings, { ...settings, strictRole: true })).toBe(true);
    expect(needsReset(settings, { ...settings })).toBe(false);
  });
});
