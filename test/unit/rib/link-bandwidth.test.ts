import { formatIp, ip, makeLinkBandwidth, type PathAttributes, prefix, toHex } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { sharesOf } from '../../../rib/link-bandwidth.ts';
import { acceptAll } from '../../../rib/policy/evaluate.ts';
import type { RibPeerSettings } from '../../../rib/types.ts';
import { type LabPeer, RibLab } from '../../support/rib-lab.ts';

const net = prefix('10.1.0.0/16');
const GBIT = 125_000_000;

function bandwidth(gigabits: number, isTransitive = false): Uint8Array {
  return makeLinkBandwidth({ asn: 65001, octetsPerSecond: gigabits * GBIT, isTransitive });
}

describe('shares', () => {
  test.each([
    [
      [10, 10],
      [1, 1],
    ],
    [
      [10, 40],
      [1, 4],
    ],
    [
      [40, 100],
      [2, 5],
    ],
    [
      [1, 10, 100],
      [1, 10, 100],
    ],
    [
      [10, 10.05],
      [1, 1],
    ],
    // beyond what the kernel can tell apart
    [
      [1, 100_000],
      [1, 256],
    ],
  ])('%j are %j', (rates, expected) => {
    expect(sharesOf(Float64Array.from(rates), rates.length)).toEqual(expected);
  });
});

class Fabric {
  readonly lab = new RibLab({ multipath: { maxPaths: 8, relaxAsPath: true } });
  readonly peers: LabPeer[] = [];

  peer(settings: Partial<RibPeerSettings> = {}): LabPeer {
    const n = this.peers.length + 1;
    const peer = this.lab.peer(
      {
        name: `peer${n}`,
        address: ip(`10.0.1.${n}`),
        kind: 'ebgp',
        remoteAs: 65000 + n,
        localAs: 64999,
        importPolicy: acceptAll,
        exportPolicy: acceptAll,
        ...settings,
      },
      { routerId: ip(`10.0.1.${n}`) },
    );
    peer.up();
    this.peers.push(peer);
    return peer;
  }

  /** What the kernel is to have for the prefix: `10.0.1.1*4 ...`, in order of addresses. */
  shares(): string {
    this.lab.settle();
    let text = '';
    this.lab.rib.takeSelected(100, {
      route: (_family, _octets, _length, set) => {
        const hops = this.lab.rib.nextHopSet(set);
        text = hops
          .map(({ address, weight }) => `${formatIp(address)}*${weight ?? '-'}`)
          .sort()
          .join(' ');
      },
      remove: () => {
        text = 'none';
      },
    });
    return text;
  }
}

function announce(peer: LabPeer, community?: Uint8Array, more: readonly Uint8Array[] = []): void {
  const n = peer.settings.remoteAs;
  const attributes: PathAttributes = {
    origin: 0,
    asPath: [{ type: 'sequence', asns: [n] }],
    nextHop: peer.settings.address,
    ...(community === undefined ? {} : { extendedCommunities: [...more, community] }),
  };
  expect(peer.announce([net], attributes)).toBeUndefined();
}

describe('multipath by link bandwidth', () => {
  test('in proportion, transitive or not, behind other communities', () => {
    const fabric = new Fabric();
    const [a, b] = [fabric.peer(), fabric.peer()];
    announce(a, bandwidth(10));
    announce(b, bandwidth(40, true), [Uint8Array.of(0, 2, 0xfd, 0xe8, 0, 0, 0, 1)]);
    expect(fabric.shares()).toBe('10.0.1.1*1 10.0.1.2*4');
  });

  test('equal shares as soon as one path has none, or none that means anything', () => {
    const fabric = new Fabric();
    const [a, b] = [fabric.peer(), fabric.peer()];
    announce(a, bandwidth(10));
    announce(b);
    expect(fabric.shares()).toBe('10.0.1.1*- 10.0.1.2*-');
    announce(b, bandwidth(0));
    fabric.shares();
    announce(b, bandwidth(20));
    expect(fabric.shares()).toBe('10.0.1.1*1 10.0.1.2*2');
  });

  test('a bandwidth that changes changes the shares, also of a path that is not the best', () => {
    const fabric = new Fabric();
    const [a, b] = [fabric.peer(), fabric.peer()];
    announce(a, bandwidth(10));
    announce(b, bandwidth(10));
    expect(fabric.shares()).toBe('10.0.1.1*- 10.0.1.2*-');
    announce(b, bandwidth(100));
    expect(fabric.shares()).toBe('10.0.1.1*1 10.0.1.2*10');
    announce(a, bandwidth(50));
    expect(fabric.shares()).toBe('10.0.1.1*1 10.0.1.2*2');
    b.withdraw([net]);
    expect(fabric.shares()).toBe('10.0.1.1*-');
  });

  test('the setting of a peer stands in where a path has none, and can be changed', () => {
    const fabric = new Fabric();
    const a = fabric.peer({ linkBandwidth: bandwidth(10) });
    const b = fabric.peer({ linkBandwidth: bandwidth(40) });
    announce(a);
    announce(b);
    expect(fabric.shares()).toBe('10.0.1.1*1 10.0.1.2*4');
    announce(b, bandwidth(20));
    expect(fabric.shares()).toBe('10.0.1.1*1 10.0.1.2*2');
    fabric.lab.rib.updatePeer(a.handle, { ...a.settings, linkBandwidth: bandwidth(20) });
    expect(fabric.shares()).toBe('10.0.1.1*- 10.0.1.2*-');
  });

  test('the community goes on within the AS, and to another one only if it is transitive', () => {
    const fabric = new Fabric();
    const inside = fabric.peer({ kind: 'ibgp', remoteAs: 64999 });
    const outside = fabric.peer();
    const from = fabric.peer({ linkBandwidth: bandwidth(10) });
    const told = (peer: LabPeer): string[] => {
      fabric.lab.settle();
      return (peer.told.get('10.1.0.0/16')?.extendedCommunities ?? []).map(toHex);
    };
    announce(from);
    expect([told(inside), told(outside)]).toEqual([[toHex(bandwidth(10))], []]);
    announce(from, bandwidth(25, true));
    expect([told(inside), told(outside)]).toEqual([[toHex(bandwidth(25, true))], [toHex(bandwidth(25, true))]]);
  });
});
