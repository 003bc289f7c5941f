/**
 * What does not compile. `tsc` is the test: an error that does not come where `@ts-expect-error` stands fails it. What runs here is only
 * that the same mistakes, made where no compiler looks, are refused when the message is written.
 */
import { describe, expect, test } from 'vitest';
import {
  defaultContext,
  encodeUpdate,
  Families,
  type FamilyName,
  ip,
  isIpv4Prefix,
  type MpReach,
  type MpUnreach,
  makeMpReach,
  makeMpUnreach,
  type NlriEntry,
  nlriOf,
  type Prefix,
  prefix,
  type UpdateInput,
} from '../src/index.ts';

const v4 = { prefix: prefix('198.51.100.0/24') };
const v6 = { prefix: prefix('2001:db8::/32') };
const nextHop = ip('2001:db8::1');
/** A text that the compiler knows nothing of. */
const unknownText: string = '2001:db8::/32';

const good: MpReach = { afi: 2, safi: 1, family: 'ipv6-unicast', nextHop, nlri: [v6] };
const extended: MpReach = { afi: 1, safi: 1, family: 'ipv4-unicast', nextHop, nlri: [v4] }; // RFC 8950
const opaque: MpReach = { afi: 25, safi: 70, nlri: [], raw: new Uint8Array(5) };

// @ts-expect-error an IPv4 prefix in MP_REACH_NLRI of IPv6 unicast
const wrongPrefix: MpReach = { afi: 2, safi: 1, family: 'ipv6-unicast', nextHop, nlri: [v4] };
// @ts-expect-error an IPv4 next hop for IPv6 unicast
const wrongNextHop: MpReach = { afi: 2, safi: 1, family: 'ipv6-unicast', nextHop: ip('192.0.2.1'), nlri: [v6] };
// @ts-expect-error the AFI of IPv4 with the family of IPv6
const wrongAfi: MpReach = { afi: 1, safi: 1, family: 'ipv6-unicast', nextHop, nlri: [v6] };
// @ts-expect-error no next hop
const noNextHop: MpReach = { afi: 2, safi: 1, family: 'ipv6-unicast', nlri: [v6] };
// @ts-expect-error a family that is not known here has octets and no prefixes
const opaqueWithPrefixes: MpReach = { afi: 25, safi: 70, nlri: [v6], raw: new Uint8Array(5) };
// @ts-expect-error an IPv6 prefix withdrawn as IPv4 unicast
const wrongWithdrawal: MpUnreach = { afi: 1, safi: 1, family: 'ipv4-unicast', withdrawn: [v6] };
// @ts-expect-error an IPv6 prefix in the NLRI field, which is IPv4 alone
const wrongField: UpdateInput = { nlri: [v6] };
// @ts-expect-error an IPv6 prefix in the Withdrawn Routes field
const wrongWithdrawnField: UpdateInput = { withdrawn: [v6] };
// @ts-expect-error a prefix of either version, not looked at
const unlooked: UpdateInput = { nlri: [{ prefix: prefix(unknownText) }] };

describe('a wrong pairing of family and prefixes', () => {
  test.each([
    ['prefix', { mpReach: wrongPrefix }],
    ['next hop missing', { mpReach: noNextHop }],
    ['withdrawal', { mpUnreach: wrongWithdrawal }],
    ['NLRI field', wrongField],
    ['Withdrawn Routes field', wrongWithdrawnField],
    ['of a text read at run time', unlooked],
  ] satisfies [string, UpdateInput][])('%s: not written either', (_name, update) => {
    expect(() => encodeUpdate(update, defaultContext)).toThrow(RangeError);
  });

  test.each([good, extended, opaque])('right ones are', (mpReach) => {
    expect(encodeUpdate({ mpReach }, defaultContext).length).toBeGreaterThan(23);
  });

  test('values of either version are looked through', () => {
    const mixed: readonly NlriEntry[] = [v4, v6];
    expect(() => nlriOf('ipv4-unicast', mixed)).toThrow(RangeError);
    expect(() => makeMpReach('ipv6-unicast', { nextHop: ip('192.0.2.1') }, [v6])).toThrow(RangeError);
    expect(() => makeMpReach('ipv6-unicast', { nextHop, linkLocalNextHop: ip('192.0.2.1') }, [v6])).toThrow(RangeError);
    expect(() => makeMpUnreach('ipv4-unicast', [v6])).toThrow(RangeError);
    const family: FamilyName = isIpv4Prefix(v6.prefix as Prefix) ? 'ipv4-unicast' : 'ipv6-unicast';
    expect(makeMpReach(family, { nextHop }, [v6])).toEqual(good);
    expect(makeMpUnreach(family, [v6])).toEqual({ afi: 2, safi: 1, family, withdrawn: [v6] });
  });

  test('a next hop or AFI that is wrong for its family', () => {
    expect(() => encodeUpdate({ mpReach: wrongNextHop }, defaultContext)).toThrow(RangeError);
    expect(() => encodeUpdate({ mpReach: wrongAfi }, defaultContext)).toThrow(RangeError);
    expect(() => encodeUpdate({ mpReach: opaqueWithPrefixes }, defaultContext)).toThrow(RangeError);
    expect(Families['ipv6-unicast'].afi).toBe(2);
  });
});
