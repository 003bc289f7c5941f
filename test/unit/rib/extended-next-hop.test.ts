import { formatIp, ip, prefix, UpdateScan } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { acceptAll } from '../../../rib/policy/evaluate.ts';
import type { RibPeerSettings } from '../../../rib/types.ts';
import { type LabPeer, type LabSession, RibLab } from '../../support/rib-lab.ts';

const net = prefix('10.1.0.0/16');
const net6 = prefix('2001:db8:1::/48');
const attributes = { origin: 0, asPath: [{ type: 'sequence', asns: [65001] }], nextHop: ip('2001:db8::1') } as const;

class Fabric {
  readonly lab = new RibLab();
  #count = 0;

  peer(address: string, session: LabSession, settings: Partial<RibPeerSettings> = {}): LabPeer {
    const n = ++this.#count;
    const peer = this.lab.peer(
      {
        name: `peer${n}`,
        address: ip(address),
        kind: 'ebgp',
        remoteAs: 65000 + n,
        localAs: 64999,
        importPolicy: acceptAll,
        exportPolicy: acceptAll,
        ...settings,
      },
      { routerId: ip(`10.0.1.${n}`), ...session },
    );
    peer.up();
    return peer;
  }

  /** Next hops that a peer was told for a prefix. */
  hopsOf(peer: LabPeer, text: string): string | undefined {
    this.lab.settle();
    const told = peer.told.get(text);
    if (told === undefined) return undefined;
    const last = peer.buffers.at(-1) as Uint8Array;
    const scan = new UpdateScan();
    // The prefix may be the only one of its message; its next hops are the attributes' own, or those of MP_REACH_NLRI.
    for (const bytes of [...peer.buffers].reverse()) {
      if (!scan.read(bytes, 19, (bytes[16]! << 8) | bytes[17]!, peer.context)) throw new Error('not an UPDATE');
      if (scan.nlriCount > 0 && told.nextHop !== undefined) return formatIp(told.nextHop);
      if (!scan.mpReach.isPresent) continue;
      const { afi, nextHopStart, nextHopEnd } = scan.mpReach;
      const hops: string[] = [];
      for (let at = nextHopStart; at < nextHopEnd; at += 16) {
        hops.push(formatIp({ version: 6, octets: bytes.slice(at, at + 16) }));
      }
      return `afi ${afi} ${hops.join(' ')}`;
    }
    return `${last.length} octets`;
  }
}

describe('IPv4 with an IPv6 next hop (RFC 8950)', () => {
  test('is heard, kept and shown with it', () => {
    const fabric = new Fabric();
    const peer = fabric.peer('2001:db8::1', { extendedNextHop: true, localAddress: ip('2001:db8::2') });
    expect(peer.announce([net], attributes)).toBeUndefined();
    fabric.lab.settle();
    const [view] = fabric.lab.rib.routes({ prefix: net });
    expect(view?.best).toBe(true);
    expect(formatIp(view?.attributes.nextHop ?? ip('::'))).toBe('2001:db8::1');
  });

  test('a link-local one beside it is kept with its interface', () => {
    const fabric = new Fabric();
    const peer = fabric.peer('2001:db8::1', { extendedNextHop: true, device: 'eth1' });
    peer.announce([net], { ...attributes, linkLocalNextHop: ip('fe80::1') });
    fabric.lab.settle();
    const selected: unknown[] = [];
    fabric.lab.rib.takeSelected(10, {
      route: (_family, _octets, _length, set) => void selected.push(...fabric.lab.rib.nextHopSet(set)),
      remove: () => {},
    });
    expect(selected).toEqual([{ address: ip('2001:db8::1'), linkLocal: ip('fe80::1'), device: 'eth1' }]);
  });

  test('goes when it is withdrawn, and when an IPv4 next hop takes its place', () => {
    const fabric = new Fabric();
    const peer = fabric.peer('2001:db8::1', { extendedNextHop: true });
    peer.announce([net], attributes);
    peer.announce([net], { ...attributes, nextHop: ip('10.0.1.1') });
    fabric.lab.settle();
    expect(
      [...fabric.lab.rib.routes({ prefix: net })].map((view) => formatIp(view.attributes.nextHop ?? ip('::'))),
    ).toEqual(['10.0.1.1']);
    peer.withdraw([net]);
    fabric.lab.settle();
    expect([...fabric.lab.rib.routes({ prefix: net })]).toEqual([]);
  });

  test('is told over an IPv6 session with the address of the session, without it with an IPv4 address', () => {
    const fabric = new Fabric();
    const from = fabric.peer('10.0.1.1', {});
    const local = { localAddress: ip('2001:db8::2') };
    const nextHopSelf = { ipv4: ip('10.0.0.9') };
    const extended = fabric.peer('2001:db8::7', { ...local, extendedNextHop: true }, { nextHopSelf });
    const plain = fabric.peer('2001:db8::8', local, { nextHopSelf });
    const neither = fabric.peer('2001:db8::9', local);
    from.announce([net], { ...attributes, nextHop: ip('10.0.1.1') });
    expect(fabric.hopsOf(extended, '10.1.0.0/16')).toBe('afi 1 2001:db8::2');
    expect(fabric.hopsOf(plain, '10.1.0.0/16')).toBe('10.0.0.9');
    expect(fabric.hopsOf(neither, '10.1.0.0/16')).toBeUndefined();
    from.withdraw([net]);
    fabric.lab.settle();
    expect([...extended.told, ...plain.told]).toEqual([]);
  });

  test('a session between link-local addresses has that one alone as next hop of both families', () => {
    const fabric = new Fabric();
    const from = fabric.peer('10.0.1.1', {});
    const to = fabric.peer(
      'fe80::7',
      { localAddress: ip('fe80::2'), device: 'eth1', extendedNextHop: true },
      { nextHopSelf: { linkLocal: ip('fe80::2') } },
    );
    from.announce([net], { ...attributes, nextHop: ip('10.0.1.1') });
    expect(fabric.hopsOf(to, '10.1.0.0/16')).toBe('afi 1 fe80::2');
    from.announce([net6], attributes);
    expect(fabric.hopsOf(to, '2001:db8:1::/48')).toBe('afi 2 fe80::2');
  });

  test('is passed on unchanged within the AS to those who understand it, and not at all to others', () => {
    const fabric = new Fabric();
    const from = fabric.peer('2001:db8::1', { extendedNextHop: true });
    const inside: Partial<RibPeerSettings> = { kind: 'ibgp', remoteAs: 64999 };
    const knows = fabric.peer('10.0.1.7', { extendedNextHop: true }, inside);
    const other = fabric.peer('10.0.1.8', {}, inside);
    from.announce([net], attributes);
    expect(fabric.hopsOf(knows, '10.1.0.0/16')).toBe('afi 1 2001:db8::1');
    expect(fabric.hopsOf(other, '10.1.0.0/16')).toBeUndefined();
  });

  test('many prefixes fill messages of the size that was agreed on', () => {
    const fabric = new Fabric();
    const from = fabric.peer('10.0.1.1', {});
    const to = fabric.peer('2001:db8::7', { localAddress: ip('2001:db8::2'), extendedNextHop: true });
    const nets = Array.from({ length: 3000 }, (_, i) => prefix(`10.${i >> 8}.${i & 255}.0/24`));
    for (let i = 0; i < nets.length; i += 500) {
      from.announce(nets.slice(i, i + 500), { ...attributes, nextHop: ip('10.0.1.1') });
    }
    fabric.lab.settle();
    expect(to.told.size).toBe(3000);
    expect(to.updates).toBeLessThan(10);
  });
});

describe('link-local next hops (RFC 2545)', () => {
  test('a neighbour on the link is told both; one without a global address the link-local one', () => {
    const fabric = new Fabric();
    const from = fabric.peer('10.0.1.1', {});
    const linkLocal = ip('fe80::2');
    const both = fabric.peer('2001:db8::7', { localAddress: ip('2001:db8::2') }, { nextHopSelf: { linkLocal } });
    const alone = fabric.peer('10.0.1.7', {}, { nextHopSelf: { linkLocal } });
    const mapped = fabric.peer('10.0.9.7', {});
    from.announce([net6], attributes);
    expect(fabric.hopsOf(both, '2001:db8:1::/48')).toBe('afi 2 2001:db8::2 fe80::2');
    expect(fabric.hopsOf(alone, '2001:db8:1::/48')).toBe('afi 2 fe80::2');
    expect(fabric.hopsOf(mapped, '2001:db8:1::/48')).toBe('afi 2 ::ffff:10.0.0.1');
  });

  test('makes a path usable whose global next hop nobody knows a way to', () => {
    const fabric = new Fabric();
    fabric.lab.metrics.set(ip('2001:db8::1').octets.join('.'), undefined);
    const peer = fabric.peer('10.0.1.1', { device: 'eth1' });
    peer.announce([net6], attributes);
    fabric.lab.settle();
    expect([...fabric.lab.rib.routes({ prefix: net6 })][0]?.invalidReason).toBe('next-hop-unreachable');
    peer.announce([net6], { ...attributes, linkLocalNextHop: ip('fe80::1') });
    fabric.lab.settle();
    expect([...fabric.lab.rib.routes({ prefix: net6 })][0]?.best).toBe(true);
  });
});
