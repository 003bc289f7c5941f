import {
  AttributeFlag,
  type AttributeProblem,
  CeaseSubcode,
  decodeAttributes,
  decodeUpdate,
  ErrorCode,
  Families,
  type FamilyName,
  missingAttributes,
  type Notification,
  notification,
  type PathAttributes,
  type SessionContext,
  type SessionKind,
  type UpdateMessage,
  UpdateScan,
  updateProblem,
} from 'bgp-ts';
import type { AdjRibIn } from '../rib/adj-rib-in.ts';
import { leadingMemberAs } from '../rib/as-path-rewrite.ts';
import { SetFlag } from '../rib/attribute-scan.ts';
import { FACT_WORDS, Fact, hashOctets } from '../rib/attribute-sets.ts';
import type { PeerHandle, Rib } from '../rib/rib.ts';
import type { Negotiated } from './negotiate.ts';
import type { WithdrawLog } from './withdraw-log.ts';

/** Counts of what happened to the UPDATEs of one session. */
export interface UpdateInCounters {
  readonly updates: number;
  /** UPDATEs whose routes were withdrawn because of malformed attributes (RFC 7606). */
  readonly treatedAsWithdraw: number;
  /** Attributes that were malformed and dropped. */
  readonly attributesDiscarded: number;
}

/** Percent of the prefix limit at which a warning is due. */
const DEFAULT_WARN_PERCENT = 75;
/** In place of a set: the attributes are malformed, withdraw the routes; or end the session with `#reset`. */
const WITHDRAW = -1;
const RESET = -2;

/**
 * Received UPDATEs of one session -> Adj-RIB-In: RFC 7606 actions, next hop, prefix limit. Make one after `rib.sessionUp`, drop it on
 * sessionDown. An attribute block that is in the tables already costs a hash and a comparison; one that is not is checked once, in place;
 * only what is out of the ordinary is decoded into values.
 */
export class UpdateIn {
  readonly #rib: Rib;
  readonly #peer: PeerHandle;
  readonly #context: SessionContext;
  readonly #mode: SessionKind;
  readonly #device: string;
  /** Bit of sets whose octets this kind of session need not check again. */
  readonly #checked: number;
  readonly #scan: UpdateScan;
  readonly #endOfRib: Set<FamilyName>;
  readonly #warned: Set<FamilyName>;
  /** Undefined where the family was not negotiated, or is disabled. */
  #ipv4: AdjRibIn | undefined;
  #ipv6: AdjRibIn | undefined;
  #updates: number;
  #treatedAsWithdraw: number;
  #attributesDiscarded: number;
  readonly #withdrawLog: WithdrawLog | undefined;
  /** What {@link WITHDRAW} is about; empty: {@link #problemOf} finds out. */
  #malformed: string;
  /** What {@link RESET} is about. */
  #reset: Notification | undefined;

  /** @param withdrawLog where UPDATEs that are treated as withdraw are noted */
  constructor(rib: Rib, peer: PeerHandle, negotiated: Negotiated, withdrawLog?: WithdrawLog) {
    this.#rib = rib;
    this.#withdrawLog = withdrawLog;
    this.#malformed = '';
    this.#peer = peer;
    this.#context = {
      fourOctetAs: negotiated.fourOctetAs,
      addPathReceive: negotiated.addPathReceive,
      addPathSend: negotiated.addPathSend,
      kind: kindOf(peer.settings),
      localAs: negotiated.localAs,
      extendedNextHop: negotiated.extendedNextHop,
    };
    this.#mode = this.#context.kind;
    this.#device = negotiated.device ?? '';
    this.#checked = checkedFlags[this.#mode];
    this.#scan = new UpdateScan();
    this.#endOfRib = new Set();
    this.#warned = new Set();
    this.#ipv4 = rib.adjRibIn(peer, 'ipv4-unicast');
    this.#ipv6 = rib.adjRibIn(peer, 'ipv6-unicast');
    this.#updates = 0;
    this.#treatedAsWithdraw = 0;
    this.#attributesDiscarded = 0;
    this.#reset = undefined;
  }

  get counters(): UpdateInCounters {
    return {
      updates: this.#updates,
      treatedAsWithdraw: this.#treatedAsWithdraw,
      attributesDiscarded: this.#attributesDiscarded,
    };
  }

  /** The peer has sent all it had of a family (RFC 4724 §2). */
  endOfRibReceived(family: FamilyName): boolean {
    return this.#endOfRib.has(family);
  }

  /**
   * Takes the body of an UPDATE in `bytes[start, end)`; nothing of it is kept by reference.
   * @returns the NOTIFICATION to reset the session with, or undefined
   */
  receive(bytes: Uint8Array, start: number, end: number): Notification | undefined {
    this.#updates++;
    const scan = this.#scan;
    if (!scan.read(bytes, start, end, this.#context)) return this.#irregular(bytes.subarray(start, end));
    const { mpReach, mpUnreach } = scan;
    // What is wrong for one field withdraws the routes of both (RFC 7606 §2): a message that nobody should send is judged as a whole.
    if (scan.nlriCount > 0 && mpReach.isPresent) return this.#irregular(bytes.subarray(start, end));
    if (scan.withdrawnCount > 0) this.#ipv4?.withdraw(bytes, scan.withdrawnStart, scan.withdrawnEnd);
    if (mpUnreach.isPresent && mpUnreach.count > 0) {
      this.#ribIn(mpUnreach.family)?.withdraw(bytes, mpUnreach.nlriStart, mpUnreach.nlriEnd);
    }
    if (scan.nlriCount > 0) {
      const problem = this.#announce(this.#ipv4, bytes, scan.nlriStart, scan.nlriEnd, false);
      if (problem !== undefined) return problem;
    }
    if (mpReach.isPresent) {
      if (mpReach.count === 0) return this.#attributesAlone(bytes);
      return this.#announce(this.#ribIn(mpReach.family), bytes, mpReach.nlriStart, mpReach.nlriEnd, true);
    }
    return scan.nlriCount > 0 ? undefined : this.#withoutRoutes(bytes);
  }

  #ribIn(family: FamilyName | undefined): AdjRibIn | undefined {
    if (family === undefined) return undefined;
    return family === 'ipv4-unicast' ? this.#ipv4 : this.#ipv6;
  }

  /** Announces the prefixes of one field with the attributes of the message. Families that were not negotiated are ignored. */
  #announce(
    ribIn: AdjRibIn | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
    isMp: boolean,
  ): Notification | undefined {
    if (ribIn === undefined) return this.#attributesAlone(bytes);
    const { sets } = this.#rib;
    const set = isMp ? this.#mpSet(bytes, ribIn.family) : this.#ipv4Set(bytes);
    const refusal = set > 0 ? this.#refusalOf(set) : this.#malformed;
    if (set > 0 && refusal === undefined) {
      sets.retain(set);
      ribIn.announce(set, bytes, start, end);
      sets.release(set);
      return this.#checkLimit(ribIn);
    }
    if (set === RESET) return this.#reset;
    if (set > 0) sets.discard(set);
    const reason = refusal || this.#problemOf(bytes, isMp);
    this.#malformed = '';
    this.#treatedAsWithdraw++;
    this.#withdrawLog?.addOctets(ribIn.family, bytes, start, end, ribIn.hasPathIds, reason);
    ribIn.withdraw(bytes, start, end);
    return undefined;
  }

  /** The set for the NLRI field, not yet counted; or `WITHDRAW` or `RESET`. */
  #ipv4Set(bytes: Uint8Array): number {
    const { attributesStart: start, attributesEnd: end, mpReach, mpUnreach } = this.#scan;
    const { sets, scanner, nextHops } = this.#rib;
    if (!this.#context.fourOctetAs) return this.#decodedSet(bytes, 'ipv4-unicast', false);
    const view = this.#rib.viewOf(bytes);
    if (!mpReach.isPresent && !mpUnreach.isPresent) {
      const known = sets.findChecked(view, start, end, hashOctets(view, start, end), this.#checked);
      if (known !== 0) return known;
    }
    if (!scanner.scan(bytes, view, start, end, this.#mode, true)) return this.#decodedSet(bytes, 'ipv4-unicast', false);
    if (scanner.missing !== 0) return WITHDRAW;
    return sets.internScanned(scanner, nextHops.intern4(scanner.nextHop4), 0, this.#checked);
  }

  /** The set for the NLRI of MP_REACH_NLRI, not yet counted; or `WITHDRAW` or `RESET`. */
  #mpSet(bytes: Uint8Array, family: FamilyName): number {
    const { attributesStart, attributesEnd, mpReach } = this.#scan;
    const { sets, scanner, nextHops } = this.#rib;
    // MP_REACH_NLRI of IPv4 with a next hop of IPv4 is lawful and rare; with one of IPv6 (RFC 8950) it is as for IPv6.
    const isPlain = mpReach.nextHopEnd - mpReach.nextHopStart === 4;
    if (!this.#context.fourOctetAs || isPlain) return this.#decodedSet(bytes, family, true);
    const view = this.#rib.viewOf(bytes);
    const nextHop = nextHops.intern6(bytes, mpReach.nextHopStart, mpReach.nextHopEnd, this.#device);
    // The other attributes in one piece, if they are.
    const isFirst = mpReach.attributeStart === attributesStart;
    if (isFirst || mpReach.attributeEnd === attributesEnd) {
      const start = isFirst ? mpReach.attributeEnd : attributesStart;
      const end = isFirst ? attributesEnd : mpReach.attributeStart;
      const known = sets.find(view, start, end, hashOctets(view, start, end), nextHop, 0);
      if (known !== 0 && (sets.facts[known * FACT_WORDS + Fact.Flags]! & this.#checked) !== 0) return known;
    }
    if (!scanner.scan(bytes, view, attributesStart, attributesEnd, this.#mode, false)) {
      return this.#decodedSet(bytes, family, true);
    }
    if (scanner.missing !== 0) return WITHDRAW;
    return sets.internScanned(scanner, nextHop, 0, this.#checked);
  }

  /**
   * The set of attributes that are out of the ordinary: decoded into values, with everything RFC 7606 has to say. Blocks without MP
   * attributes are remembered with their outcome.
   */
  #decodedSet(bytes: Uint8Array, family: FamilyName, isMp: boolean): number {
    const { attributesStart: start, attributesEnd: end, nlriCount, mpReach, mpUnreach } = this.#scan;
    const { values, blocks } = this.#rib;
    const isPlain = !mpReach.isPresent && !mpUnreach.isPresent;
    const view = this.#rib.viewOf(bytes);
    const hash = isPlain ? hashOctets(view, start, end) : 0;
    const context = this.#checked | (this.#context.fourOctetAs ? 1 : 0);
    if (isPlain) {
      const known = blocks.find(bytes, start, end, hash, context);
      if (known !== 0) return known;
    }
    const decoded = decodeAttributes(bytes, start, end, this.#context, { nlriIsEmpty: nlriCount === 0 });
    const announces = { nlri: nlriCount > 0, mpReach: mpReach.isPresent };
    const missing = missingAttributes(decoded.attributes, this.#context, announces, decoded.problems);
    const problems = [...decoded.problems, ...missing];
    const worst = updateProblem(problems, { announces: true, hasOtherAttributes: true });
    if (worst !== undefined && worst.action !== 'attribute-discard') {
      if (worst.action === 'treat-as-withdraw') {
        this.#malformed = worst.message;
        return WITHDRAW;
      }
      this.#reset = worst.notification;
      return RESET;
    }
    this.#attributesDiscarded += problems.length;
    const set = values.intern(
      received(decoded.attributes, isMp ? decoded.mpReach : undefined),
      family,
      0,
      this.#device,
    );
    if (isPlain && problems.length === 0) blocks.remember(bytes, start, end, hash, context, set);
    return set;
  }

  /** An UPDATE that announces nothing: End-of-RIB, withdrawals only, or attributes whose routes are lost (RFC 7606 §5.2). */
  #withoutRoutes(bytes: Uint8Array): Notification | undefined {
    const scan = this.#scan;
    if (scan.attributeCount <= (scan.mpUnreach.isPresent ? 1 : 0)) {
      const family = scan.endOfRib();
      if (family !== undefined) this.#endOfRib.add(family);
      return undefined;
    }
    const { attributesStart, attributesEnd } = scan;
    const { problems } = decodeAttributes(bytes, attributesStart, attributesEnd, this.#context, { nlriIsEmpty: true });
    const worst = updateProblem(problems, { announces: false, hasOtherAttributes: true });
    if (worst === undefined) return undefined;
    if (worst.action !== 'attribute-discard') return worst.notification;
    this.#attributesDiscarded += problems.length;
    return undefined;
  }

  /** Routes that nobody uses do not make up for attributes that end the session (RFC 4271 §6.3). */
  #attributesAlone(bytes: Uint8Array): Notification | undefined {
    const { attributesStart, attributesEnd, nlriCount } = this.#scan;
    const options = { nlriIsEmpty: nlriCount === 0 };
    const { problems } = decodeAttributes(bytes, attributesStart, attributesEnd, this.#context, options);
    const worst = updateProblem(problems, { announces: true, hasOtherAttributes: true });
    return worst?.action === 'session-reset' ? worst.notification : undefined;
  }

  /** A message whose structure is not as it should be: the decoder says what is to be done. */
  #irregular(body: Uint8Array): Notification | undefined {
    const decoded = decodeUpdate(body, this.#context);
    if (!decoded.ok) return decoded.error;
    const update = decoded.value;
    for (const problem of update.problems) {
      if (problem.action === 'disable-family' && !this.#disable(problem)) return problem.notification;
    }
    this.#ipv4?.withdrawEntries(update.withdrawn);
    if (update.mpUnreach !== undefined) {
      this.#ribIn(update.mpUnreach.family)?.withdrawEntries(update.mpUnreach.withdrawn);
    }
    const mpRib = this.#ribIn(update.mpReach?.family);
    const problem = update.problems.find(({ action }) => action !== 'attribute-discard');
    if (problem !== undefined) {
      this.#treatedAsWithdraw++;
      if (update.nlri.length > 0) this.#withdrawLog?.addEntries('ipv4-unicast', update.nlri, problem.message);
      if (mpRib !== undefined && update.mpReach !== undefined) {
        this.#withdrawLog?.addEntries(mpRib.family, update.mpReach.nlri, problem.message);
      }
      this.#ipv4?.withdrawEntries(update.nlri);
      mpRib?.withdrawEntries(update.mpReach?.nlri ?? []);
      return undefined;
    }
    this.#attributesDiscarded += update.problems.length;
    if (update.endOfRib !== undefined) this.#endOfRib.add(update.endOfRib);
    const notification = this.#announceValues(this.#ipv4, update, false);
    return notification ?? this.#announceValues(mpRib, update, true);
  }

  /**
   * Routes of a family cannot be read: neither these nor any other of it are believed from here on (RFC 7606 §2, "AFI/SAFI disable"; RFC 4760
   * §7), and the other family goes on. False: there is no other, the session is of no more use.
   */
  #disable({ family, message }: AttributeProblem): boolean {
    const other = family === 'ipv4-unicast' ? this.#ipv6 : this.#ipv4;
    if (family === undefined || other === undefined) return false;
    if (this.#ribIn(family) === undefined) return true; // not negotiated: nothing of it is used anyway
    if (family === 'ipv4-unicast') this.#ipv4 = undefined;
    else this.#ipv6 = undefined;
    this.#endOfRib.add(family); // nobody is to wait for it
    this.#rib.disableFamily(this.#peer, family);
    this.#rib.observer.familyDisabled?.(this.#peer.name, family, message);
    return true;
  }

  #announceValues(ribIn: AdjRibIn | undefined, update: UpdateMessage, isMp: boolean): Notification | undefined {
    const entries = isMp ? (update.mpReach?.nlri ?? []) : update.nlri;
    if (ribIn === undefined || entries.length === 0) return undefined;
    const { sets, values } = this.#rib;
    const attributes = received(update.attributes, isMp ? update.mpReach : undefined);
    const set = values.intern(attributes, ribIn.family, 0, this.#device);
    sets.retain(set);
    const refusal = this.#refusalOf(set);
    if (refusal === undefined) ribIn.announceEntries(set, entries);
    else {
      this.#treatedAsWithdraw++;
      this.#withdrawLog?.addEntries(ribIn.family, entries, refusal);
      ribIn.withdrawEntries(entries);
    }
    sets.release(set);
    return this.#checkLimit(ribIn);
  }

  /**
   * What is wrong with well-formed attributes before they count as received, in words; undefined: nothing. No AS_SET (RFC 9774 §3) unless
   * allowed; the first AS of a path from another AS is that of the peer (RFC 4271 §6.3), from another member AS it is in a segment of the
   * confederation (RFC 5065 §5.3).
   */
  #refusalOf(set: number): string | undefined {
    const { sets } = this.#rib;
    const { enforceFirstAs, remoteAs, allowsAsSets } = this.#peer.settings;
    const at = set * FACT_WORDS;
    if ((sets.facts[at + Fact.Flags]! & SetFlag.HasAsSet) !== 0 && allowsAsSets !== true) {
      return 'AS_PATH: it has an AS_SET or AS_CONFED_SET (RFC 9774 §3)';
    }
    if (this.#mode === 'ibgp' || enforceFirstAs === false) return undefined;
    if (this.#mode === 'ebgp') {
      const first = sets.facts[at + Fact.NeighbourAs]! >>> 0;
      return first === remoteAs ? undefined : wrongFirstAs(first, remoteAs, 'RFC 4271 §6.3');
    }
    const start = sets.offsetOf(set);
    const first = leadingMemberAs(sets.view, start, start + sets.lengthOf(set));
    return first === remoteAs ? undefined : wrongFirstAs(first, remoteAs, 'RFC 5065 §5.3');
  }

  /** What is wrong with attributes that the scanner refused: the decoder has words for it. */
  #problemOf(bytes: Uint8Array, isMp: boolean): string {
    const { attributesStart, attributesEnd, nlriCount } = this.#scan;
    const { attributes, problems } = decodeAttributes(bytes, attributesStart, attributesEnd, this.#context, {
      nlriIsEmpty: nlriCount === 0,
    });
    const announces = { nlri: nlriCount > 0, mpReach: isMp };
    const all = [...problems, ...missingAttributes(attributes, this.#context, announces, problems)];
    return updateProblem(all, { announces: true, hasOtherAttributes: true })?.message ?? 'malformed attributes';
  }

  /** Maximum number of prefixes (RFC 4486 §4): warns once at the threshold, then ends the session. */
  #checkLimit(ribIn: AdjRibIn): Notification | undefined {
    const { family } = ribIn;
    const limit = this.#peer.settings.prefixLimit?.[family];
    if (limit === undefined) return undefined;
    const count = this.#rib.receivedCount(ribIn);
    const isOver = count > limit.limit;
    const threshold = Math.floor((limit.limit * (limit.warnPercent ?? DEFAULT_WARN_PERCENT)) / 100);
    if (count > threshold || isOver) {
      if (!this.#warned.has(family)) {
        this.#warned.add(family);
        this.#rib.observer.prefixLimitWarning?.(this.#peer.name, family, count, limit.limit);
      }
    } else {
      this.#warned.delete(family);
    }
    if (!isOver || limit.action === 'warn') return undefined;
    const { afi, safi } = Families[family];
    const data = new Uint8Array(7);
    const view = new DataView(data.buffer);
    view.setUint16(0, afi);
    view.setUint8(2, safi);
    view.setUint32(3, limit.limit);
    return notification(ErrorCode.Cease, CeaseSubcode.MaximumPrefixesReached, data);
  }
}

function wrongFirstAs(first: number, remoteAs: number, rfc: string): string {
  return `AS_PATH: the first AS must be the peer's, ${remoteAs}; ${first === 0 ? 'there is none' : `it is ${first}`} (${rfc})`;
}

/** Which sets an earlier message of a session of this kind has shown to be well-formed. */
const checkedFlags = {
  ebgp: SetFlag.CheckedEbgp,
  ibgp: SetFlag.CheckedIbgp,
  confed: SetFlag.CheckedConfed,
} as const;

function kindOf({ kind, isConfederationMember }: PeerHandle['settings']): SessionKind {
  return isConfederationMember === true ? 'confed' : kind;
}

/**
 * Received attributes as they are kept: unknown non-transitive ones are dropped, unknown transitive ones are marked as passed on by somebody
 * who did not know them (RFC 4271 §5).
 */
function received(attributes: PathAttributes, mpReach: UpdateMessage['mpReach']): PathAttributes {
  const { unknown, nextHop, linkLocalNextHop, ...rest } = attributes;
  const kept = unknown?.filter(({ flags }) => (flags & AttributeFlag.Transitive) !== 0);
  const hop = mpReach === undefined ? { nextHop, linkLocalNextHop } : mpReach;
  return {
    ...rest,
    ...(hop.nextHop === undefined ? {} : { nextHop: hop.nextHop }),
    ...(hop.linkLocalNextHop === undefined ? {} : { linkLocalNextHop: hop.linkLocalNextHop }),
    ...(kept === undefined || kept.length === 0
      ? {}
      : { unknown: kept.map((attribute) => ({ ...attribute, flags: attribute.flags | AttributeFlag.Partial })) }),
  };
}
