/**
 * One speaker with one peer, for tests that need it in a network namespace of its own. Its settings are the argument, JSON:
 * `{ port, peer: { address, localAs, ... } }`; it writes one line of JSON per event and ends with its standard input.
 */
import { formatIp, ip } from 'bgp-ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { Listener } from '../../speaker/listener.ts';
import type { PeerSettings } from '../../speaker/negotiate.ts';
import { Peer } from '../../speaker/peer.ts';
import { createTcpTransport } from '../../speaker/transport.ts';
import { peerSettings } from '../support/session-lab.ts';

interface Argument {
  readonly address: string;
  readonly routerId: string;
  readonly settings: Partial<Omit<PeerSettings, 'address' | 'routerId'>>;
}

const { address, routerId, settings } = JSON.parse(process.argv[2] ?? '{}') as Argument;
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const transport = createTcpTransport(systemClock);
const log = silentLogger;
const listener = new Listener({ clock: systemClock, log, transport });
listener.open([
  { address: ip('::'), port: 179 },
  { address: ip('0.0.0.0'), port: 179 },
]);
const peer = new Peer(peerSettings(address, { ...settings, routerId: ip(routerId) }), {
  clock: systemClock,
  log,
  transport,
  handlers: {
    sessionUp(_peer, { negotiated }) {
      const { localAddress, remoteAddress, device, families } = negotiated;
      say({
        event: 'up',
        local: formatIp(localAddress),
        remote: formatIp(remoteAddress),
        device,
        families: [...families],
      });
    },
    update: () => undefined,
    routeRefresh() {},
    writable() {},
    sessionDown: (_peer, reason) => say({ event: 'down', reason: reason.message }),
  },
});
listener.addPeer(peer);
peer.start();
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
