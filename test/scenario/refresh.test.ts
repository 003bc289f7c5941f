import {
  decodeRouteRefresh,
  encodeEndOfRib,
  encodeKeepalive,
  encodeOpen,
  encodeRouteRefresh,
  encodeUpdate,
  formatPrefix,
  frameType,
  ip,
  MessageType,
  nlriOf,
  prefix,
  type SessionContext,
} from 'bgp-ts';
import { beforeEach, describe, expect, test } from 'vitest';
import { acceptAll } from '../../rib/policy/evaluate.ts';
import { openFor, type PeerSettings } from '../../speaker/negotiate.ts';
import { STALE_SECONDS } from '../../speaker/refresh-in.ts';
import { peerSettings, RawEnd } from '../support/session-lab.ts';
import { networkOf, SpeakerLab, type TestSpeaker } from '../support/speaker-lab.ts';

const context: SessionContext = {
  fourOctetAs: true,
  addPathReceive: new Set(),
  addPathSend: new Set(),
  kind: 'ebgp',
};
const nets = ['10.50.0.0/16', '10.51.0.0/16', '10.52.0.0/16'];

/** A peer that says what the test says. */
class Scripted {
  readonly end = new RawEnd();
  readonly #lab: SpeakerLab;

  constructor(lab: SpeakerLab, speaker: TestSpeaker, options: Partial<PeerSettings> = {}, isEnhanced = true) {
    this.#lab = lab;
    const settings = peerSettings(speaker.name, { localAs: 65050, remoteAs: speaker.asn, routerId: ip('10.0.0.50') });
    const open = openFor({ ...settings, holdSeconds: 0, ...options });
    const capabilities = open.capabilities.filter(({ type }) => isEnhanced || type !== 'enhanced-route-refresh');
    this.end.connection = lab.network
      .host('10.0.0.50')
      .connect({ remoteAddress: speaker.address, remotePort: 179, timeoutMs: 5000 }, this.end);
    lab.run(0.1);
    this.end.send(encodeOpen({ ...open, capabilities }), encodeKeepalive());
    lab.run(0.5);
  }

  announce(...texts: string[]): void {
    const attributes = {
      origin: 0 as const,
      asPath: [{ type: 'sequence' as const, asns: [65050] }],
      nextHop: ip('10.0.0.50'),
    };
    this.end.send(
      encodeUpdate(
        {
          attributes,
          nlri: nlriOf(
            'ipv4-unicast',
            texts.map((text) => ({ prefix: prefix(text) })),
          ),
        },
        context,
      ),
    );
    this.#lab.run(0.2);
  }

  /** A ROUTE-REFRESH for IPv4: 0 asks, 1 begins, 2 ends. */
  refresh(subtype: 0 | 1 | 2): void {
    this.end.send(encodeRouteRefresh({ afi: 1, safi: 1, subtype }));
    this.#lab.run(0.2);
  }

  /** What came for IPv4 since the last time: `begin`, `end`, `End-of-RIB` or `UPDATE`. */
  heard(): string[] {
    const words: string[] = [];
    for (const message of this.end.messages.splice(0)) {
      const type = frameType(message, 0);
      if (type === MessageType.RouteRefresh) {
        const decoded = decodeRouteRefresh(message.subarray(19));
        if (decoded.ok && decoded.value.afi === 1) words.push(['request', 'begin', 'end'][decoded.value.subtype] ?? '');
      } else if (type === MessageType.Update) {
        // IPv6 is in attributes, and its End-of-RIB is longer.
        if (message.length === 23) words.push('End-of-RIB');
        else if (hasIpv4(message)) words.push('UPDATE');
      }
    }
    return words;
  }
}

function hasIpv4(message: Uint8Array): boolean {
  const withdrawn = ((message[19] ?? 0) << 8) | (message[20] ?? 0);
  const attributes = ((message[21 + withdrawn] ?? 0) << 8) | (message[22 + withdrawn] ?? 0);
  return withdrawn > 0 || message.length > 23 + withdrawn + attributes;
}

describe('route refresh', () => {
  let lab: SpeakerLab;
  let node: TestSpeaker;

  beforeEach(() => {
    lab = new SpeakerLab();
    node = lab.speaker({ asn: 65001 });
    node.originate(networkOf(node));
    node.speaker.addPeer({
      session: peerSettings('10.0.0.50', {
        localAs: 65001,
        remoteAs: 65050,
        kind: 'ebgp',
        routerId: node.address,
        holdSeconds: 0,
        passive: true,
      }),
      rib: {
        name: '10.0.0.50',
        address: ip('10.0.0.50'),
        kind: 'ebgp',
        localAs: 65001,
        remoteAs: 65050,
        importPolicy: acceptAll,
        exportPolicy: acceptAll,
      },
    });
    lab.run(0.1);
  });

  const held = (): string[] => {
    const entry = node.speaker.find('10.0.0.50');
    if (entry === undefined) throw new Error('no peer');
    return [...node.rib.received(entry.handle, {})].map((view) => formatPrefix(view.prefix));
  };

  test('an answer is marked at both ends, and withdraws nothing that came from the peer', () => {
    const peer = new Scripted(lab, node);
    peer.announce(...nets);
    expect(peer.heard()).toEqual(['UPDATE', 'End-of-RIB']);
    peer.refresh(0);
    expect(peer.heard()).toEqual(['begin', 'UPDATE', 'end']);
    expect(node.speaker.find('10.0.0.50')?.resets).toBe(0);
  });

  test('towards a peer that does not mark: the routes alone', () => {
    const peer = new Scripted(lab, node, {}, false);
    peer.heard();
    peer.refresh(0);
    expect(peer.heard()).toEqual(['UPDATE']);
  });

  test('what the peer does not repeat between begin and end is gone; what it does stays all the while', () => {
    const peer = new Scripted(lab, node);
    peer.announce(...nets);
    peer.end.send(encodeEndOfRib('ipv4-unicast', context));
    peer.refresh(1);
    peer.announce(nets[0] ?? '', '10.53.0.0/16');
    expect(held()).toEqual([...nets, '10.53.0.0/16']);
    peer.refresh(2);
    expect(held()).toEqual([nets[0], '10.53.0.0/16']);
    expect([...node.best().keys()]).not.toContain(nets[1]);
  });

  test('a second begin makes everything stale again; an end without a begin means nothing', () => {
    const peer = new Scripted(lab, node);
    peer.announce(...nets);
    peer.refresh(2);
    expect(held()).toEqual(nets);
    peer.refresh(1);
    peer.announce(...nets);
    peer.refresh(1);
    peer.announce(nets[2] ?? '');
    peer.refresh(2);
    expect(held()).toEqual([nets[2]]);
    peer.refresh(2);
    expect(held()).toEqual([nets[2]]);
  });

  test('a refresh that is not ended counts as ended in time', () => {
    const peer = new Scripted(lab, node);
    peer.announce(...nets);
    peer.refresh(1);
    peer.announce(nets[1] ?? '');
    lab.run(STALE_SECONDS - 5);
    expect(held()).toEqual(nets);
    lab.run(10);
    expect(held()).toEqual([nets[1]]);
    expect(node.lines.some(({ event }) => event === 'refresh not ended by the peer')).toBe(true);
  });

  test('marks of a peer that did not offer them are ignored', () => {
    const peer = new Scripted(lab, node, {}, false);
    peer.announce(...nets);
    peer.refresh(1);
    peer.refresh(2);
    expect(held()).toEqual(nets);
  });

  test('a refresh in the middle of a session that ends leaves no timer behind', () => {
    const peer = new Scripted(lab, node);
    peer.announce(...nets);
    peer.refresh(1);
    peer.end.connection?.destroy();
    lab.run(1);
    const again = new Scripted(lab, node);
    again.announce(...nets);
    lab.run(STALE_SECONDS + 10);
    expect(held()).toEqual(nets);
  });
});
