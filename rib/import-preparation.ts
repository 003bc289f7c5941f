import { type FamilyName, ipv4ToUint32, Role } from 'bgp-ts';
import { Segment } from './as-path-rewrite.ts';
import { SetFlag } from './attribute-scan.ts';
import { FACT_WORDS, Fact } from './attribute-sets.ts';
import { growInt32 } from './columns.ts';
import { emptyRewrite, LocalPrefMode, type Rewrite, rewriteAttributes } from './export-rewrite.ts';
import type { ImportTables } from './import.ts';
import type { RibPeerSettings } from './types.ts';

/** LOCAL_PREF of a path that is about to go (RFC 8326 §4.2): after every other one. */
const LAST_CHOICE = 0;

/**
 * What the settings of a peer change in its paths before policy sees them: graceful shutdown (RFC 8326), ONLY_TO_CUSTOMER (RFC 9234 §5),
 * the local AS, AIGP of sessions without it (RFC 7311 §3.2), the bandwidth of the link, the next hop. From octets to octets, once a set, and only for sets whose flags
 * ask for it.
 */
export class ImportPreparation {
  readonly #tables: ImportTables;
  readonly #settings: RibPeerSettings;
  readonly #family: FamilyName;
  /** Sets with any of these flags are changed, and those without one of these. */
  readonly #with: number;
  readonly #without: number;
  readonly #rewrite: Rewrite;
  readonly #honoursShutdown: boolean;
  readonly #isDraining: boolean;
  /** Next hop in place of that of the path, counted; 0: none. */
  readonly #nextHop: number;
  /** Per set what it became, counted; 0: not known, the set itself: it stayed. */
  #prepared: Int32Array;
  /** Made when the first set is changed: most peers never need it. */
  #out: Uint8Array;
  #view: DataView;

  /** Undefined if these settings never change anything. */
  static for(
    tables: ImportTables,
    settings: RibPeerSettings,
    family: FamilyName,
    device: string,
  ): ImportPreparation | undefined {
    const preparation = new ImportPreparation(tables, settings, family, device);
    if (preparation.#with !== 0 || preparation.#without !== 0) return preparation;
    preparation.close();
    return undefined;
  }

  private constructor(tables: ImportTables, settings: RibPeerSettings, family: FamilyName, device: string) {
    const { kind, remoteAs, localAs, role, prependLocalAsIn, gracefulShutdown, nextHopIn, address } = settings;
    const isOutside = kind === 'ebgp' && settings.isConfederationMember !== true;
    const ownAs = tables.confederationId === 0 ? tables.localAs : tables.confederationId;
    const version = family === 'ipv4-unicast' ? 4 : 6;
    const r = emptyRewrite();
    let isAlways = gracefulShutdown === true;
    this.#tables = tables;
    this.#settings = settings;
    this.#family = family;
    this.#honoursShutdown = settings.honoursGracefulShutdown ?? isOutside;
    this.#isDraining = gracefulShutdown === true;
    if (this.#isDraining) {
      r.localPrefMode = LocalPrefMode.Set;
      r.localPref = LAST_CHOICE;
    }
    if (prependLocalAsIn === true && isOutside && localAs !== ownAs) {
      r.prependAs = localAs | 0;
      r.prependType = Segment.Sequence;
      isAlways = true;
    }
    const marks = role === Role.Customer || role === Role.RouteServerClient || role === Role.Peer;
    if (marks) r.otc = remoteAs | 0;
    this.#nextHop =
      nextHopIn === 'peer' && address.version === version ? tables.nextHops.intern(address, undefined, device) : 0;
    if (this.#nextHop !== 0) {
      tables.nextHops.retain(this.#nextHop);
      isAlways = true;
    }
    r.dropsAigp = !(settings.aigp ?? !isOutside);
    this.#rewrite = r;
    this.#with =
      (isAlways ? SetFlag.HasFacts : 0) |
      (this.#honoursShutdown ? SetFlag.GracefulShutdown : 0) |
      (r.dropsAigp ? SetFlag.HasAigp : 0);
    this.#without =
      (marks ? SetFlag.HasOtc : 0) | (settings.linkBandwidth === undefined ? 0 : SetFlag.HasLinkBandwidth);
    this.#prepared = new Int32Array(0);
    this.#out = new Uint8Array(0);
    this.#view = new DataView(this.#out.buffer);
  }

  /** Whether a set with these flags is changed. */
  applies(flags: number): boolean {
    return ((flags & this.#with) | (~flags & this.#without)) !== 0;
  }

  /** What a set becomes, itself if it stays. Held here as long as the one that went in lives, or until {@link close}. */
  prepared(set: number): number {
    const known = set < this.#prepared.length ? this.#prepared[set]! : 0;
    if (known !== 0) return known;
    const { sets } = this.#tables;
    if (this.#out.length === 0) {
      this.#out = new Uint8Array(70_000);
      this.#view = new DataView(this.#out.buffer);
      sets.listen(this);
    }
    const after = this.#change(set);
    if (after !== set) sets.retain(after);
    if (set >= this.#prepared.length) this.#prepared = growInt32(this.#prepared, Math.max(set + 1, sets.end));
    this.#prepared[set] = after;
    return after;
  }

  /** A set is gone: so is what it became. */
  setFreed(id: number): void {
    if (id >= this.#prepared.length) return;
    const after = this.#prepared[id]!;
    this.#prepared[id] = 0;
    if (after !== 0 && after !== id) this.#tables.sets.release(after);
  }

  /** Forgets everything; must not be used any more. */
  close(): void {
    const { sets, nextHops } = this.#tables;
    sets.unlisten(this);
    for (let set = 0; set < this.#prepared.length; set++) {
      const after = this.#prepared[set]!;
      if (after !== 0 && after !== set) sets.release(after);
    }
    this.#prepared = new Int32Array(0);
    nextHops.release(this.#nextHop);
  }

  #change(set: number): number {
    const { sets, nextHops, scanner } = this.#tables;
    const r = this.#rewrite;
    const nextHop = this.#nextHop === 0 ? sets.nextHopOf(set) : this.#nextHop;
    const address = nextHops.get(nextHop)?.address;
    const isV4 = this.#family === 'ipv4-unicast';
    r.nextHop4 = isV4 && address?.version === 4 ? ipv4ToUint32(address) | 0 : 0;
    if (!this.#isDraining) {
      const isGoing =
        this.#honoursShutdown && (sets.facts[set * FACT_WORDS + Fact.Flags]! & SetFlag.GracefulShutdown) !== 0;
      r.localPrefMode = isGoing ? LocalPrefMode.Set : LocalPrefMode.Keep;
      r.localPref = LAST_CHOICE;
    }
    const { linkBandwidth } = this.#settings;
    const hasBandwidth = (sets.facts[set * FACT_WORDS + Fact.Flags]! & SetFlag.HasLinkBandwidth) !== 0;
    r.extendedCommunity = hasBandwidth ? undefined : linkBandwidth;
    const start = sets.offsetOf(set);
    const length = rewriteAttributes(sets.bytes, start, start + sets.lengthOf(set), r, this.#out);
    if (length > 65_000 || !scanner.scan(this.#out, this.#view, 0, length, 'trusted', isV4)) return set;
    return sets.internScanned(scanner, nextHop, 0, 0);
  }
}
