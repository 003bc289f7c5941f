import { decodeAttributes, encodeAttributes, type FamilyName, type PathAttributes, type SessionContext } from 'bgp-ts';
import type { AttributeScanner } from './attribute-scan.ts';
import type { AttributeSets } from './attribute-sets.ts';
import type { NextHops } from './next-hop.ts';
import type { PolicyProgram } from './policy/program.ts';
import { SetClasses } from './set-classes.ts';

/** How canonical octets are to be read: four-octet AS numbers, everything an iBGP session may carry. */
export const canonicalContext: SessionContext = {
  fourOctetAs: true,
  addPathReceive: new Set(),
  addPathSend: new Set(),
  kind: 'ibgp',
};

const RECENT = 1024;

interface Decoded {
  readonly id: number;
  readonly generation: number;
  readonly attributes: PathAttributes;
}

/** Attribute sets as values and back, for policies that change them, local origin and people; and what policies look at in them. Never once per route. */
export class SetValues {
  readonly #sets: AttributeSets;
  readonly #nextHops: NextHops;
  readonly #scanner: AttributeScanner;
  /** Sets decoded lately, by the low bits of their id: what came in is soon asked for again on its way out. */
  readonly #recent: (Decoded | undefined)[];
  /** Classes of sets by policy, and how many ask for them. */
  readonly #classes: Map<PolicyProgram, { readonly classes: SetClasses; users: number }>;

  constructor(sets: AttributeSets, nextHops: NextHops, scanner: AttributeScanner) {
    this.#sets = sets;
    this.#nextHops = nextHops;
    this.#scanner = scanner;
    this.#recent = new Array<Decoded | undefined>(RECENT).fill(undefined);
    this.#classes = new Map();
  }

  /** The classes of sets that a policy tells apart, shared by all who have it: {@link releaseClasses} them. */
  classesFor(program: PolicyProgram): SetClasses {
    let entry = this.#classes.get(program);
    if (entry === undefined) {
      entry = { classes: new SetClasses(this.#sets, this.#nextHops, program.setMatches), users: 0 };
      this.#classes.set(program, entry);
    }
    entry.users++;
    return entry.classes;
  }

  /** Takes back one {@link classesFor}; the last one makes them forgotten. */
  releaseClasses(program: PolicyProgram): void {
    const entry = this.#classes.get(program);
    if (entry === undefined || --entry.users > 0) return;
    entry.classes.close();
    this.#classes.delete(program);
  }

  /** The attributes of a set, with its next hop in place for either family. */
  decode(id: number): PathAttributes {
    const generation = this.#sets.generationOf(id);
    const recent = this.#recent[id & (RECENT - 1)];
    if (recent !== undefined && recent.id === id && recent.generation === generation) return recent.attributes;
    const attributes = this.#decode(id);
    this.#recent[id & (RECENT - 1)] = { id, generation, attributes };
    return attributes;
  }

  #decode(id: number): PathAttributes {
    const sets = this.#sets;
    const offset = sets.offsetOf(id);
    const { attributes } = decodeAttributes(sets.bytes, offset, offset + sets.lengthOf(id), canonicalContext);
    const nextHop = this.#nextHops.get(sets.nextHopOf(id));
    if (nextHop === undefined) return attributes;
    return {
      ...attributes,
      nextHop: nextHop.address,
      ...(nextHop.linkLocal === undefined ? {} : { linkLocalNextHop: nextHop.linkLocal }),
    };
  }

  /**
   * The set with these attributes, not yet counted. Without a next hop, or for IPv6 with one of IPv4, it is the node's own. A next hop of IPv6
   * for IPv4 (RFC 8950) is not among the octets, as for IPv6.
   * @param device scope of a link-local next hop, '' if there is none
   * @throws RangeError for values that cannot be encoded
   */
  intern(attributes: PathAttributes, family: FamilyName, weight: number, device: string): number {
    const { nextHop, linkLocalNextHop, ...others } = attributes;
    const hasNextHop = nextHop !== undefined && (family === 'ipv4-unicast' || nextHop.version === 6);
    const isAmongOctets = family === 'ipv4-unicast' && nextHop?.version !== 6;
    const octets = encodeAttributes(isAmongOctets && hasNextHop ? { ...others, nextHop } : others, canonicalContext, {
      omitNextHop: !isAmongOctets,
    });
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    if (!this.#scanner.scan(octets, view, 0, octets.length, 'trusted', isAmongOctets)) {
      throw new RangeError('attributes that cannot be represented');
    }
    const id = hasNextHop ? this.#nextHops.intern(nextHop, linkLocalNextHop, device) : 0;
    return this.#sets.internScanned(this.#scanner, id, weight, 0);
  }
}
