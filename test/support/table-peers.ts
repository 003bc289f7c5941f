import { ip, type PathAttributes, type Prefix, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import { acceptAll } from '../../rib/policy/evaluate.ts';
import type { RibPeerSettings } from '../../rib/types.ts';
import type { LabPeer, RibLab } from './rib-lab.ts';

/** Settings of an external peer that is told and believed everything. */
export const base: RibPeerSettings = {
  name: 'tor',
  address: ip('10.0.1.1'),
  kind: 'ebgp',
  remoteAs: 65000,
  localAs: 64999,
  importPolicy: acceptAll,
  exportPolicy: acceptAll,
};

/** The nth external peer. */
export function outside(n: number, more: Partial<RibPeerSettings> = {}): RibPeerSettings {
  return { ...base, name: `out${n}`, address: ip(`10.0.1.${n}`), remoteAs: 65000 + n, ...more };
}

/** The nth internal peer. */
export function inside(n: number, more: Partial<RibPeerSettings> = {}): RibPeerSettings {
  return { ...base, name: `in${n}`, address: ip(`10.0.2.${n}`), kind: 'ibgp', remoteAs: 64999, ...more };
}

/** A path as that peer would send it, with `more` AS numbers behind its own. */
export function pathOf(peer: LabPeer, ...more: number[]): PathAttributes {
  const { kind, remoteAs, address } = peer.settings;
  const asns = kind === 'ebgp' ? [remoteAs, ...more] : more;
  return {
    origin: 0,
    asPath: asns.length === 0 ? [] : [{ type: 'sequence', asns }],
    nextHop: address,
    ...(kind === 'ibgp' ? { localPref: 100 } : {}),
  };
}

/** `count` prefixes of /30 in 10.`second`.0.0/16. */
export const nets = (count: number, second = 1): Prefix[] =>
  Array.from({ length: count }, (_, i) => prefix(`10.${second}.${i >> 6}.${(i & 63) << 2}/30`));

/** Announces many prefixes, as few to a message as they fit. */
export function announceAll(peer: LabPeer, list: readonly Prefix[], attributes: PathAttributes): void {
  for (let i = 0; i < list.length; i += 500) {
    expect(peer.announce(list.slice(i, i + 500), attributes)).toBeUndefined();
  }
}

/** Peers whose sessions are up and have been told what there is. */
export function upAll(lab: RibLab, ...settings: RibPeerSettings[]): LabPeer[] {
  const peers = settings.map((of) => lab.peer(of));
  for (const peer of peers) peer.up();
  lab.settle();
  return peers;
}

/** The first three, the last of them repeated where there are fewer. */
export function first<T>(list: readonly T[]): [T, T, T] {
  const [a, b, c] = list;
  if (a === undefined) throw new RangeError('empty');
  return [a, b ?? a, c ?? b ?? a];
}
