/**
 * The CNI server as a process of its own, for tests that kill it. Everything comes from the environment: SOCKET, STATE,
 * BLOCKS (comma separated), WIRING (`netlink`, or the file of a FakeWiring), KILL_AT (a StepPoint) and KILL_COUNT (at
 * which of its occurrences; 1 when absent), COOL_DOWN (seconds). Prints `ready` once it listens.
 */
import { parsePrefix } from 'bgp-ts';
import { NetlinkWiring } from '../../cni/netlink-wiring.ts';
import { CniServer } from '../../cni/server.ts';
import { systemClock } from '../../lib/clock.ts';
import { createLogger } from '../../lib/log.ts';
import { FakeWiring } from './fake-wiring.ts';

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

let killCount = Number(process.env['KILL_COUNT'] ?? 1);
const server = new CniServer({
  socketPath: setting('SOCKET'),
  statePath: setting('STATE'),
  wiring:
    setting('WIRING') === 'netlink' ? new NetlinkWiring({ clock: systemClock }) : new FakeWiring(setting('WIRING')),
  clock: systemClock,
  log: createLogger('info'),
  coolDownSeconds: Number(process.env['COOL_DOWN'] ?? 60),
  onStep(point) {
    if (point === process.env['KILL_AT'] && --killCount === 0) process.kill(process.pid, 'SIGKILL');
  },
});
server.setBlocks(
  setting('BLOCKS')
    .split(',')
    .map((text) => parsePrefix(text))
    .filter((prefix) => prefix !== undefined)
    .map((prefix) => ({ prefix })),
);
await server.start();
process.stdout.write('ready\n');
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
