import { ip } from 'bgp-ts';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import type { ConnectionEnd } from '../../../speaker/connection.ts';
import { Listener } from '../../../speaker/listener.ts';
import type { PeerSettings } from '../../../speaker/negotiate.ts';
import { Peer } from '../../../speaker/peer.ts';
import { createTcpTransport } from '../../../speaker/transport.ts';
import { type LogLine, peerSettings, RecordingHandlers, recordingLogger } from '../../support/session-lab.ts';
import { waitFor } from '../../support/wait-for.ts';

const transport = createTcpTransport(systemClock);
const running: { close(): void }[] = [];

afterEach(() => {
  for (const thing of running.splice(0)) thing.close();
});

/** A speaker on the loopback with one peer, whose port is set once the other speaker listens. */
class Speaker {
  readonly handlers = new RecordingHandlers();
  readonly lines: LogLine[] = [];
  readonly listener: Listener;
  peer: Peer | undefined;

  constructor(address: string) {
    this.listener = new Listener({ clock: systemClock, log: recordingLogger(this.lines), transport });
    this.listener.open([{ address: ip(address), port: 0 }]);
    running.push(this.listener);
  }

  get port(): number {
    return this.listener.addresses[0]?.port ?? 0;
  }

  start(settings: PeerSettings): Peer {
    const { handlers } = this;
    const log = recordingLogger(this.lines);
    const peer = new Peer(settings, { clock: systemClock, log, transport, handlers });
    this.peer = peer;
    this.listener.addPeer(peer);
    running.push({ close: () => peer.close() });
    peer.start();
    return peer;
  }
}

/** Two speakers that know each other; the second has the larger identifier. */
function pair(
  addresses: [string, string],
  a: Partial<PeerSettings> = {},
  b: Partial<PeerSettings> = {},
): [Speaker, Speaker] {
  const left = new Speaker(addresses[0]);
  const right = new Speaker(addresses[1]);
  const fast = { connectTimeoutSeconds: 1, connectRetrySeconds: 1 };
  left.start(
    peerSettings(addresses[1], {
      ...fast,
      port: right.port,
      localAddress: ip(addresses[0]),
      routerId: ip('1.0.0.1'),
      ...a,
    }),
  );
  right.start(
    peerSettings(addresses[0], {
      ...fast,
      port: left.port,
      localAddress: ip(addresses[1]),
      localAs: 65002,
      remoteAs: 65001,
      routerId: ip('1.0.0.2'),
      ...b,
    }),
  );
  return [left, right];
}

function areUp(speakers: readonly Speaker[]): boolean {
  return speakers.every(({ peer }) => peer?.snapshot().state === 'Established' && peer.snapshot().connections === 1);
}

describe('sessions over TCP', () => {
  test.each<{ name: string; addresses: [string, string]; both: Partial<PeerSettings> }>([
    { name: 'IPv4', addresses: ['127.0.1.1', '127.0.1.2'], both: {} },
    { name: 'IPv6', addresses: ['::1', '::1'], both: {} },
    { name: 'with a key', addresses: ['127.0.2.1', '127.0.2.2'], both: { password: 'secret' } },
    { name: 'IPv6 with a key', addresses: ['::1', '::1'], both: { password: 'secret' } },
    { name: 'with TTL security', addresses: ['127.0.3.1', '127.0.3.2'], both: { ttlSecurityHops: 1 } },
    { name: 'IPv6 with TTL security', addresses: ['::1', '::1'], both: { ttlSecurityHops: 1 } },
  ])('$name', async ({ addresses, both }) => {
    const speakers = pair(addresses, both, both);
    await waitFor('both to be established', () => areUp(speakers));
    const [left, right] = speakers;
    expect(left.handlers.session.negotiated.localAddress).toEqual(ip(addresses[0]));
    expect(left.handlers.session.negotiated.remoteAddress).toEqual(ip(addresses[1]));
    left.peer?.stop('over and out');
    const text = 'Cease/Administrative Shutdown: "over and out"';
    await waitFor('the text', () => right.handlers.downs[0]?.message === text);
  });

  test('a wrong key is silence, until it is corrected', async () => {
    const speakers = pair(['127.0.4.1', '127.0.4.2'], { password: 'right' }, { password: 'wrong' });
    const [left, right] = speakers;
    await waitFor('a timeout', () => left.peer?.snapshot().lastFailure?.message.includes('no answer within 1 s'));
    expect(areUp([left])).toBe(false);
    const peer = right.peer as Peer;
    peer.update({ ...peer.settings, password: 'right' });
    right.listener.addPeer(peer);
    await waitFor('both to be established', () => areUp(speakers));
  });

  test('TTL security on one side only: no session, since the other sends with TTL 1', async () => {
    const speakers = pair(['127.0.5.1', '127.0.5.2'], { ttlSecurityHops: 1 });
    const [left, right] = speakers;
    await waitFor('OPENs to be sent', () => (left.peer?.snapshot().sent.open ?? 0) > 0);
    await waitFor('an OPEN to arrive here', () => (right.peer?.snapshot().received.open ?? 0) > 0);
    expect(left.peer?.snapshot().received.open).toBe(0);
    expect(left.handlers.ups).toEqual([]);
  });

  test('a stranger is closed', async () => {
    const left = new Speaker('127.0.6.1');
    const ends: ConnectionEnd[] = [];
    transport.connect(
      { remoteAddress: ip('127.0.6.1'), remotePort: left.port, localAddress: ip('127.0.6.9'), timeoutMs: 1000 },
      { connected() {}, received: () => 0, drained() {}, closed: (end) => ends.push(end) },
    );
    await waitFor('the close', () => ends.length > 0);
    expect(left.lines.map(({ event, fields }) => [event, fields['address']])).toEqual([
      ['connection refused', '127.0.6.9'],
    ]);
  });

  test('100,000 UPDATEs arrive while the sender keeps to what the socket takes', async () => {
    const speakers = pair(['127.0.7.1', '127.0.7.2']);
    const [left, right] = speakers;
    await waitFor('both to be established', () => areUp(speakers));
    // An End-of-RIB, 23 octets; 100 of them in a buffer that all sends share.
    const one = Uint8Array.of(...Array(16).fill(255), 0, 23, 2, 0, 0, 0, 0);
    const hundred = new Uint8Array(2300);
    for (let n = 0; n < 100; n++) hundred.set(one, n * 23);
    let received = 0;
    right.handlers.onUpdate = () => {
      right.handlers.updates.length = 0;
      received++;
      return undefined;
    };
    let sends = 0;
    const pump = (): void => {
      while (sends < 1000) {
        sends++;
        if (!left.handlers.session.send(hundred, 100)) return;
      }
    };
    left.handlers.writable = () => pump();
    pump();
    await waitFor('all to arrive', () => received === 100_000);
    expect(left.peer?.snapshot().sent.update).toBe(100_000);
    expect(right.peer?.snapshot().received.update).toBe(100_000);
  });
});
