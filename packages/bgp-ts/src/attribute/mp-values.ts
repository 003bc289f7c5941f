import { Families, type FamilyName } from '../iana.ts';
import { formatIp, type IpAddress } from '../ip.ts';
import type { NlriEntry } from '../nlri/nlri.ts';
import { nlriOf } from '../nlri/table.ts';
import type { MpReach, MpUnreach } from './attributes.ts';

/** Next hops of MP_REACH_NLRI, of whichever version. */
export interface MpNextHops {
  readonly nextHop: IpAddress;
  /** fe80::/10 next hop beside a global one (RFC 2545 §3). */
  readonly linkLocalNextHop?: IpAddress;
}

/**
 * MP_REACH_NLRI (RFC 4760 §3) from values whose IP version only the running program knows; where the compiler knows it, write the object.
 * @throws RangeError for a prefix or next hop that does not go with the family
 */
export function makeMpReach(family: FamilyName, nextHops: MpNextHops, nlri: readonly NlriEntry[]): MpReach {
  const { nextHop, linkLocalNextHop } = nextHops;
  const isWrong = family === 'ipv6-unicast' && nextHop.version === 4;
  if (isWrong || linkLocalNextHop?.version === 4) {
    throw new RangeError(`next hop ${formatIp(isWrong ? nextHop : (linkLocalNextHop as IpAddress))} for ${family}`);
  }
  const { afi, safi } = Families[family];
  const hops = linkLocalNextHop === undefined ? { nextHop } : { nextHop, linkLocalNextHop };
  return { afi, safi, family, ...hops, nlri: nlriOf(family, nlri) } as MpReach;
}

/**
 * MP_UNREACH_NLRI (RFC 4760 §4), as `makeMpReach`. Without prefixes it is the End-of-RIB marker (RFC 4724 §2).
 * @throws RangeError for a prefix of another family
 */
export function makeMpUnreach(family: FamilyName, withdrawn: readonly NlriEntry[]): MpUnreach {
  const { afi, safi } = Families[family];
  return { afi, safi, family, withdrawn: nlriOf(family, withdrawn) } as MpUnreach;
}
