import { formatIp, type IpAddress, ip } from 'bgp-ts';
import { beforeEach, describe, expect, test } from 'vitest';
import { acceptAll } from '../../../rib/policy/evaluate.ts';
import type { LinkHandlers } from '../../../speaker/link-neighbours.ts';
import type { Peer, SessionPort } from '../../../speaker/peer.ts';
import type { SpeakerPeerSettings } from '../../../speaker/speaker.ts';
import { UnnumberedPeers, type UnnumberedRule } from '../../../speaker/unnumbered.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type LogLine, peerSettings, recordingLogger } from '../../support/session-lab.ts';

function rule(name: string, device: string, holdSeconds = 90): UnnumberedRule {
  return {
    name,
    device,
    settings: (address: IpAddress): SpeakerPeerSettings => ({
      session: peerSettings(formatIp(address), { name, device, holdSeconds }),
      rib: {
        name,
        address,
        kind: 'ebgp',
        remoteAs: 65002,
        localAs: 65001,
        importPolicy: acceptAll,
        exportPolicy: acceptAll,
      },
    }),
  };
}

interface FakePeer {
  readonly name: string;
  session: SessionPort | undefined;
}

describe('peers by interface', () => {
  let clock: FakeClock;
  let lines: LogLine[];
  let peers: Map<string, { readonly peer: FakePeer; address: string; holdSeconds: number }>;
  let links: Map<string, LinkHandlers>;
  let unnumbered: UnnumberedPeers;

  beforeEach(() => {
    clock = new FakeClock();
    lines = [];
    peers = new Map();
    links = new Map();
    unnumbered = new UnnumberedPeers({
      clock,
      log: recordingLogger(lines),
      neighbours: {
        watch(device, handlers) {
          expect(links.has(device)).toBe(false);
          links.set(device, handlers);
          return { close: () => void links.delete(device) };
        },
      },
      add({ session }) {
        const peer: FakePeer = { name: session.name, session: undefined };
        const { holdSeconds } = session;
        peers.set(session.name, { peer, address: formatIp(session.address), holdSeconds });
        return peer as unknown as Peer;
      },
      update({ session }) {
        const present = peers.get(session.name);
        expect(present).toBeDefined();
        if (present === undefined) return;
        present.address = formatIp(session.address);
        present.holdSeconds = session.holdSeconds;
      },
      remove: (name) => void expect(peers.delete(name)).toBe(true),
    });
  });

  const hear = (device: string, address: string): void => links.get(device)?.heard(ip(address));
  const addressOf = (name: string): string | undefined => peers.get(name)?.address;
  const establish = (name: string): void => {
    const found = peers.get(name);
    if (found !== undefined) found.peer.session = {} as SessionPort;
  };
  const warnings = (): string[] => lines.filter(({ level }) => level === 'warn').map(({ event }) => event);

  test('a peer is there from the start, and has its address once the neighbour was heard', () => {
    unnumbered.setRules([rule('spine1', 'eth1'), rule('spine2', 'eth2')]);
    expect(addressOf('spine1')).toBe('fe80::');
    hear('eth1', 'fe80::1');
    expect([addressOf('spine1'), addressOf('spine2')]).toEqual(['fe80::1', 'fe80::']);
  });

  test('a connection tells the address as well, on its own interface only', () => {
    unnumbered.setRules([rule('spine1', 'eth1')]);
    expect(unnumbered.peerFor(ip('fe80::1'), 'eth2')).toBeUndefined();
    expect(unnumbered.peerFor(ip('fe80::1'), undefined)).toBeUndefined();
    expect(unnumbered.peerFor(ip('2001:db8::1'), 'eth1')).toBeUndefined();
    expect(unnumbered.peerFor(ip('fe80::1'), 'eth1')?.name).toBe('spine1');
    expect(addressOf('spine1')).toBe('fe80::1');
  });

  test('another router does not take the place of one that was just heard, nor of one with a session', () => {
    unnumbered.setRules([rule('spine1', 'eth1')]);
    hear('eth1', 'fe80::1');
    clock.advance(20_000);
    hear('eth1', 'fe80::2');
    expect(addressOf('spine1')).toBe('fe80::1');
    establish('spine1');
    clock.advance(60_000);
    hear('eth1', 'fe80::2');
    expect(unnumbered.peerFor(ip('fe80::2'), 'eth1')).toBeUndefined();
    expect(addressOf('spine1')).toBe('fe80::1');
    expect(warnings()).toEqual(['another router on the link']);
  });

  test('a neighbour with a new address is taken once the old one was silent, or when it connects', () => {
    unnumbered.setRules([rule('spine1', 'eth1')]);
    hear('eth1', 'fe80::1');
    clock.advance(30_000);
    hear('eth1', 'fe80::2');
    expect(addressOf('spine1')).toBe('fe80::2');
    expect(unnumbered.peerFor(ip('fe80::3'), 'eth1')?.name).toBe('spine1');
    expect(addressOf('spine1')).toBe('fe80::3');
  });

  test('a change of settings keeps the address, one of the interface does not', () => {
    unnumbered.setRules([rule('spine1', 'eth1')]);
    hear('eth1', 'fe80::1');
    unnumbered.setRules([rule('spine1', 'eth1', 30)]);
    expect(peers.get('spine1')).toMatchObject({ address: 'fe80::1', holdSeconds: 30 });
    unnumbered.setRules([rule('spine1', 'eth2', 30)]);
    expect(addressOf('spine1')).toBe('fe80::');
    expect([...links.keys()]).toEqual(['eth2']);
    unnumbered.setRules([]);
    expect([peers.size, links.size]).toEqual([0, 0]);
  });

  test('what keeps advertisements from being sent is logged', () => {
    unnumbered.setRules([rule('spine1', 'eth1')]);
    links.get('eth1')?.changed('EPERM: not permitted');
    expect(warnings()).toEqual(['no router advertisements']);
  });
});
