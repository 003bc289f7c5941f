/**
 * A process of its own that installs routes, for the tests that kill it: `node fib-process.ts NETNS GATEWAY IFINDEX COUNT [exit]`. Prints
 * `installed` when the kernel has them; with `exit` it then closes everything and is expected to end by itself.
 */
import { ip } from 'bgp-ts';
import { Fib } from '../../fib/fib.ts';
import { NetlinkKernel } from '../../fib/netlink-kernel.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';

const [netnsPath = '', gateway = '', ifIndex = '', count = '', end] = process.argv.slice(2);
const kernel = await NetlinkKernel.open({ netnsPath });
const fib = new Fib(kernel, { protocol: 177, table: 254, metric: 1024, log: silentLogger, clock: systemClock });
await fib.start();
const target = fib.nextHopSet([{ gateway: ip(gateway), ifIndex: Number(ifIndex) }]);
for (let i = 0; i < Number(count); i++) fib.set(4, Uint8Array.of(10, i >> 8, i & 255, 0), 24, target);
await fib.flush();
process.stdout.write('installed\n');
if (end === 'exit') {
  await fib.close({ keepRoutes: true });
  await kernel.close();
}
