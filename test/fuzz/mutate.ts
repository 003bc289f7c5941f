import type { Random } from './random.ts';
import type { RawAttribute, RawUpdate } from './wire.ts';

/** Something done to an UPDATE that knows its structure. */
type Mutation = (random: Random, update: RawUpdate) => RawUpdate;

const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 17, 20, 255, 256, 4077, 65535];
const CODES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 35, 0, 11, 22, 40, 99, 255];

/** By name, so that a run can count what it did. */
const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'attribute flags': change((random, attribute) => ({
    ...attribute,
    flags: random.once(2) ? attribute.flags ^ random.pick([0x80, 0x40, 0x20, 0xc0]) : random.below(256),
  })),
  'attribute code': change((random, attribute) => ({ ...attribute, code: random.pick(CODES) })),
  'attribute length': change((random, attribute) => ({
    ...attribute,
    length: random.once(2) ? random.pick(LENGTHS) : Math.max(0, attribute.value.length + random.between(-2, 2)),
  })),
  'attribute value cut': change((random, attribute) => ({
    ...attribute,
    value: attribute.value.slice(0, random.below(attribute.value.length + 1)),
  })),
  'attribute value longer': change((random, attribute) => ({
    ...attribute,
    value: [...attribute.value, ...random.octets(random.between(1, 5))],
  })),
  'attribute value octet': change((random, attribute) => ({ ...attribute, value: oneOctet(random, attribute.value) })),
  'attribute repeated': (random, update) => {
    const { attributes } = update;
    if (attributes.length === 0) return update;
    const again = random.pick(attributes);
    const at = random.below(attributes.length + 1);
    return { ...update, attributes: [...attributes.slice(0, at), again, ...attributes.slice(at)] };
  },
  'attribute missing': (random, update) => {
    const at = random.below(update.attributes.length + 1);
    return { ...update, attributes: update.attributes.filter((_, i) => i !== at) };
  },
  'attribute added': (random, update) => {
    const added = {
      flags: random.pick([0x40, 0x80, 0xc0, 0xe0, 0x00]),
      code: random.pick(CODES),
      value: random.octets(random.pick(LENGTHS.slice(0, 14))),
    };
    return { ...update, attributes: [...update.attributes, added] };
  },
  'attributes in another order': (_random, update) => ({ ...update, attributes: [...update.attributes].reverse() }),
  'NLRI octet': (random, update) => ({ ...update, nlri: oneOctet(random, update.nlri) }),
  'NLRI cut': (random, update) => ({ ...update, nlri: update.nlri.slice(0, random.below(update.nlri.length + 1)) }),
  'withdrawn octet': (random, update) => ({ ...update, withdrawn: oneOctet(random, update.withdrawn) }),
  'withdrawn length': (random, update) => ({ ...update, withdrawnLength: near(random, update.withdrawn.length) }),
  'attributes length': (random, update) => ({
    ...update,
    attributesLength: near(
      random,
      update.attributes.reduce((sum, a) => sum + a.value.length + 3, 0),
    ),
  }),
  'routes gone': (_random, update) => ({
    ...update,
    nlri: [],
    attributes: update.attributes.filter((a) => a.code !== 14),
  }),
};

/** Names of all mutations. */
export const mutationNames = Object.keys(MUTATIONS);

/** An UPDATE with one to three things done to it. */
export function mutateUpdate(
  random: Random,
  update: RawUpdate,
): { readonly update: RawUpdate; readonly names: string[] } {
  const names: string[] = [];
  let changed = update;
  for (let n = random.pick([1, 1, 1, 2, 3]); n > 0; n--) {
    const name = random.pick(mutationNames);
    changed = (MUTATIONS[name] as Mutation)(random, changed);
    names.push(name);
  }
  return { update: changed, names };
}

/** Octets with some changed, put in, taken out or cut off, no structure known. */
export function mutateOctets(random: Random, octets: Uint8Array): Uint8Array {
  let list = [...octets];
  for (let n = random.between(1, 4); n > 0; n--) {
    const at = random.below(list.length + 1);
    switch (random.below(5)) {
      case 0:
        list = [...list.slice(0, at), ...random.octets(random.between(1, 6)), ...list.slice(at)];
        break;
      case 1:
        list = [...list.slice(0, at), ...list.slice(at + random.between(1, 4))];
        break;
      case 2:
        list = list.slice(0, at);
        break;
      default:
        list = oneOctet(random, list);
    }
  }
  return Uint8Array.from(list);
}

function change(one: (random: Random, attribute: RawAttribute) => RawAttribute): Mutation {
  return (random, update) => {
    const at = random.below(update.attributes.length);
    const attributes = update.attributes.map((attribute, i) => (i === at ? one(random, attribute) : attribute));
    return { ...update, attributes };
  };
}

function oneOctet(random: Random, octets: readonly number[]): number[] {
  const at = random.below(octets.length);
  const value = random.pick([0, 1, 2, 24, 32, 33, 64, 127, 128, 129, 224, 255, random.below(256), random.below(256)]);
  return octets.map((octet, i) => (i === at ? value : octet));
}

function near(random: Random, length: number): number {
  return random.once(3) ? random.pick(LENGTHS) : Math.max(0, length + random.between(-3, 3));
}
