import type { SessionContext } from '../context.ts';
import { type AttributeProblem, notification, strongestProblem } from '../errors.ts';
import { AttributeCode, ErrorCode, UpdateSubcode } from '../iana.ts';
import type { PathAttributes } from './attributes.ts';
import { attributeName } from './table.ts';

/** Which routes an UPDATE announces. */
export interface Announces {
  /** The NLRI field is not empty. */
  readonly nlri: boolean;
  /** There is an MP_REACH_NLRI. */
  readonly mpReach: boolean;
}

/**
 * The well-known attributes an UPDATE lacks: ORIGIN and AS_PATH where it announces anything, NEXT_HOP where it uses the NLRI field,
 * LOCAL_PREF from an internal peer (RFC 4271 §5, §6.3, RFC 4760 §3). Each is treat-as-withdraw (RFC 7606 §3 d).
 * @param problems what was found so far: an attribute that was there but malformed is not reported once more as missing
 */
export function missingAttributes(
  attributes: PathAttributes,
  context: SessionContext,
  announces: Announces,
  problems: readonly AttributeProblem[] = [],
): AttributeProblem[] {
  const found: AttributeProblem[] = [];
  const wanted = (code: number, isThere: boolean): void => {
    if (!isThere && !problems.some((problem) => problem.attributeCode === code)) found.push(missing(code));
  };
  if (!announces.nlri && !announces.mpReach) return found;
  wanted(AttributeCode.Origin, attributes.origin !== undefined);
  wanted(AttributeCode.AsPath, attributes.asPath !== undefined);
  if (announces.nlri) wanted(AttributeCode.NextHop, attributes.nextHop !== undefined);
  if (context.kind === 'ibgp') wanted(AttributeCode.LocalPref, attributes.localPref !== undefined);
  return found;
}

/** What an UPDATE carries, as far as RFC 7606 §5.2 asks. */
export interface UpdateContents {
  /** It announces routes, in the NLRI field or in an MP_REACH_NLRI. */
  readonly announces: boolean;
  /** It has path attributes other than MP_UNREACH_NLRI. */
  readonly hasOtherAttributes: boolean;
}

/**
 * What all problems of an UPDATE come to: the strongest one (RFC 7606 §3 h); `undefined` for none. With attributes but no routes announced,
 * the routes may have been lost in the damage, so treat-as-withdraw becomes a session reset (§5.2).
 */
export function updateProblem(
  problems: readonly AttributeProblem[],
  contents: UpdateContents,
): AttributeProblem | undefined {
  const strongest = strongestProblem(problems);
  if (strongest?.action !== 'treat-as-withdraw') return strongest;
  if (contents.announces || !contents.hasOtherAttributes) return strongest;
  const message = `${strongest.message}; no routes found to withdraw`;
  return { ...strongest, action: 'session-reset', message };
}

function missing(code: number): AttributeProblem {
  return {
    action: 'treat-as-withdraw',
    attributeCode: code,
    message: `${attributeName(code)}: missing`,
    notification: notification(ErrorCode.UpdateMessage, UpdateSubcode.MissingWellKnownAttribute, Uint8Array.of(code)),
  };
}
