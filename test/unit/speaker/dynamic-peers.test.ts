import { formatIp, type IpAddress, ip, prefix } from 'bgp-ts';
import { beforeEach, describe, expect, test } from 'vitest';
import { acceptAll } from '../../../rib/policy/evaluate.ts';
import { DynamicPeers, type DynamicRule } from '../../../speaker/dynamic-peers.ts';
import type { Peer } from '../../../speaker/peer.ts';
import type { SpeakerPeerSettings } from '../../../speaker/speaker.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type LogLine, peerSettings, recordingLogger } from '../../support/session-lab.ts';

function settingsOf(rule: string, address: IpAddress, holdSeconds: number): SpeakerPeerSettings {
  const name = `${rule}/${formatIp(address)}`;
  return {
    session: peerSettings(formatIp(address), { name, passive: true, holdSeconds }),
    rib: {
      name,
      address,
      kind: 'ebgp',
      remoteAs: 65002,
      localAs: 65001,
      importPolicy: acceptAll,
      exportPolicy: acceptAll,
    },
  };
}

function rule(name: string, prefixes: string[], limit = 10, holdSeconds = 90): DynamicRule {
  return {
    name,
    prefixes: prefixes.map((text) => prefix(text)),
    limit,
    settings: (address) => settingsOf(name, address, holdSeconds),
  };
}

describe('peers by prefix', () => {
  let clock: FakeClock;
  let lines: LogLine[];
  /** Peers that exist, with the hold time they have. */
  let peers: Map<string, number>;
  let dynamic: DynamicPeers;

  beforeEach(() => {
    clock = new FakeClock();
    lines = [];
    peers = new Map();
    const put = ({ session }: SpeakerPeerSettings): Peer => {
      peers.set(session.name, session.holdSeconds);
      return { name: session.name } as Peer;
    };
    dynamic = new DynamicPeers({
      clock,
      log: recordingLogger(lines),
      add: (settings) => {
        expect(peers.has(settings.session.name)).toBe(false);
        return put(settings);
      },
      update: (settings) => {
        expect(peers.has(settings.session.name)).toBe(true);
        put(settings);
      },
      remove: (name) => {
        expect(peers.delete(name)).toBe(true);
      },
    });
  });

  test('an address inside a rule becomes a peer named after both', () => {
    dynamic.setRules([rule('nodes', ['10.0.0.0/16', 'fd00::/64'])]);
    expect(dynamic.peerFor(ip('10.0.1.2'))?.name).toBe('nodes/10.0.1.2');
    expect(dynamic.peerFor(ip('fd00::5'))?.name).toBe('nodes/fd00::5');
    expect(dynamic.ruleOf('nodes/10.0.1.2')).toBe('nodes');
    expect(dynamic.ruleOf('somebody')).toBeUndefined();
  });

  test('an address outside is nobody', () => {
    dynamic.setRules([rule('nodes', ['10.0.0.0/16'])]);
    expect(dynamic.peerFor(ip('10.1.0.1'))).toBeUndefined();
    expect(dynamic.peerFor(ip('fd00::5'))).toBeUndefined();
    expect(peers.size).toBe(0);
  });

  test('the first rule that covers an address makes the peer', () => {
    dynamic.setRules([rule('some', ['10.0.1.0/24']), rule('all', ['10.0.0.0/8'])]);
    expect(dynamic.peerFor(ip('10.0.1.2'))?.name).toBe('some/10.0.1.2');
    expect(dynamic.peerFor(ip('10.0.2.2'))?.name).toBe('all/10.0.2.2');
  });

  test('each rule has its own limit, and the refusal is logged', () => {
    dynamic.setRules([rule('some', ['10.0.1.0/24'], 1), rule('all', ['10.0.0.0/8'], 1)]);
    expect(dynamic.peerFor(ip('10.0.1.1'))).toBeDefined();
    expect(dynamic.peerFor(ip('10.0.2.1'))).toBeDefined();
    expect(dynamic.peerFor(ip('10.0.1.2'))).toBeUndefined();
    expect(lines).toEqual([
      {
        level: 'warn',
        event: 'connection refused',
        fields: { address: '10.0.1.2', reason: 'some: the limit of 1 peers is reached' },
      },
    ]);
  });

  test('a peer whose session never comes up is forgotten after a minute, and makes room', () => {
    dynamic.setRules([rule('nodes', ['10.0.0.0/16'], 1)]);
    dynamic.peerFor(ip('10.0.0.1'));
    clock.advance(59_999);
    expect(peers.size).toBe(1);
    clock.advance(1);
    expect(peers.size).toBe(0);
    expect(dynamic.ruleOf('nodes/10.0.0.1')).toBeUndefined();
    expect(dynamic.peerFor(ip('10.0.0.2'))).toBeDefined();
  });

  test('a peer with a session stays, and is forgotten a minute after it ended unless it comes back', () => {
    dynamic.setRules([rule('nodes', ['10.0.0.0/16'])]);
    dynamic.peerFor(ip('10.0.0.1'));
    dynamic.sessionUp('nodes/10.0.0.1');
    clock.advance(3_600_000);
    expect(peers.size).toBe(1);
    dynamic.sessionEnded('nodes/10.0.0.1');
    clock.advance(50_000);
    dynamic.sessionUp('nodes/10.0.0.1');
    clock.advance(3_600_000);
    expect(peers.size).toBe(1);
    dynamic.sessionEnded('nodes/10.0.0.1');
    clock.advance(60_000);
    expect(peers.size).toBe(0);
    expect(clock.pendingCount).toBe(0);
  });

  test('sessions of configured peers are none of its business', () => {
    dynamic.sessionUp('tor');
    dynamic.sessionEnded('tor');
    expect(clock.pendingCount).toBe(0);
  });

  test('new rules: peers that are still covered get their settings, others go', () => {
    dynamic.setRules([rule('nodes', ['10.0.0.0/16']), rule('old', ['10.2.0.0/16'])]);
    for (const address of ['10.0.1.1', '10.0.2.1', '10.2.0.1']) {
      const name = dynamic.peerFor(ip(address))?.name ?? '';
      dynamic.sessionUp(name);
    }
    dynamic.setRules([rule('nodes', ['10.0.1.0/24'], 10, 9)]);
    expect([...peers]).toEqual([['nodes/10.0.1.1', 9]]);
    expect(dynamic.peerFor(ip('10.0.2.1'))).toBeUndefined();
    clock.advance(3_600_000);
    expect(peers.size).toBe(1);
  });

  test('after closing no timer is left', () => {
    dynamic.setRules([rule('nodes', ['10.0.0.0/16'])]);
    dynamic.peerFor(ip('10.0.0.1'));
    dynamic.peerFor(ip('10.0.0.2'));
    dynamic.close();
    expect(clock.pendingCount).toBe(0);
    clock.advance(3_600_000);
    expect(peers.size).toBe(2);
  });
});
