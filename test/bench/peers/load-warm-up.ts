import { createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  encodeKeepalive,
  encodeOpen,
  encodeUpdate,
  ipv4FromUint32,
  makeMpReach,
  makeMpUnreach,
  type NlriEntry,
  nlriOf,
  type PathAttributes,
} from 'bgp-ts';
import { CHURN_COMMUNITY, type ChurnLog } from './load-churn.ts';
import type { LoadReceiver } from './load-receiver.ts';
import type { LoadSession } from './load-session.ts';
import { contextOf, ipv6NextHop } from './load-stream.ts';
import { attributesOf, dutAs, type LoadTable, sessionAddress } from './load-table.ts';
import type { Workload } from './workloads.ts';

/** For each of announcements, withdrawals and churn. */
const ENOUGH_MS = 250;
const SETS = 500;
const LOOPBACK = 0x7f000001;

/** Opens a session of the load process to an address and port. */
type Open = (remote: { localAddress: number; remoteAddress: number; port: number }) => {
  readonly session: LoadSession;
  readonly up: Promise<void>;
};

/**
 * Lets the load process talk to itself over the loopback interface, as it will to a speaker, for a moment: so that reading and checking are
 * compiled before they count, and so that a workload which cannot be told right from wrong is found before a speaker is blamed.
 * @param receiver gets what comes; whatever it finds wrong is there afterwards
 */
export async function warmUp(
  workload: Workload,
  table: LoadTable,
  receiver: LoadReceiver,
  log: ChurnLog,
  open: Open,
): Promise<void> {
  const { promise: accepted, resolve } = Promise.withResolvers<Socket>();
  const server = createServer(resolve).listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { session, up } = open({ localAddress: LOOPBACK, remoteAddress: LOOPBACK, port });
  const socket = await accepted;
  socket.on('error', () => {}).resume();
  socket.write(
    encodeOpen({ version: 4, myAs: dutAs, holdSeconds: 240, routerId: ipv4FromUint32(1), capabilities: [] }),
  );
  socket.write(encodeKeepalive());
  await up;
  const { announced, withdrawn, churned } = madeUpdates(workload, table);
  const own = Buffer.concat(announced);
  await repeat(socket, session, Buffer.concat([own, Buffer.concat(withdrawn)]));
  await repeat(socket, session, own);
  if (workload.ending === 'churn') {
    receiver.churn = log;
    await repeat(socket, session, Buffer.concat(churned));
  }
  session.close();
  socket.destroy();
  server.close();
}

/** Both directions, again and again. */
async function repeat(socket: Socket, session: LoadSession, bytes: Buffer): Promise<void> {
  const deadline = performance.now() + ENOUGH_MS;
  while (performance.now() < deadline) {
    if (session.queued === 0) session.send(bytes.subarray(0, Math.min(bytes.length, 4096)));
    if (!socket.write(bytes)) await new Promise((drained) => socket.once('drain', drained));
  }
  await delay(10);
}

interface MadeUpdates {
  readonly announced: Uint8Array[];
  readonly withdrawn: Uint8Array[];
  readonly churned: Uint8Array[];
}

/** UPDATEs as a speaker would send them. */
function madeUpdates(workload: Workload, table: LoadTable): MadeUpdates {
  const context = contextOf(workload);
  const made: MadeUpdates = { announced: [], withdrawn: [], churned: [] };
  for (let i = 0; i < table.count && made.announced.length < SETS; ) {
    const set = table.setOf[i]!;
    const sender = workload.kind === 'reflection' ? set : made.announced.length % workload.senders;
    const { asPath = [], ...others } = attributesOf(workload, sender, set);
    const asns = asPath.flatMap((segment) => segment.asns);
    const attributes: PathAttributes =
      workload.kind === 'reflection'
        ? { ...others, asPath }
        : { ...others, asPath: [{ type: 'sequence', asns: [dutAs, ...asns] }] };
    const nlri: NlriEntry[] = [];
    const wire = new Uint8Array(8);
    for (; i < table.count && table.setOf[i] === set; i++) {
      if (nlri.length === 50) continue;
      table.write(wire, 0, i);
      const length = wire[0]!;
      const octets = new Uint8Array(workload.ipv6 ? 16 : 4);
      octets.set(wire.subarray(1, 1 + ((length + 7) >> 3)));
      nlri.push({ prefix: { address: { version: workload.ipv6 ? 6 : 4, octets } as const, length } });
    }
    const address = sessionAddress(sender);
    const announce = (values: PathAttributes): Uint8Array =>
      workload.ipv6
        ? encodeUpdate(
            {
              attributes: values,
              mpReach: makeMpReach('ipv6-unicast', { nextHop: ipv6NextHop(address) }, nlri),
            },
            context,
          )
        : encodeUpdate(
            { attributes: { ...values, nextHop: ipv4FromUint32(address) }, nlri: nlriOf('ipv4-unicast', nlri) },
            context,
          );
    made.announced.push(announce(attributes));
    const stamp = [CHURN_COMMUNITY * 0x1_0000, (CHURN_COMMUNITY + 1) * 0x1_0000 + 1];
    made.churned.push(announce({ ...attributes, communities: stamp }));
    made.withdrawn.push(
      workload.ipv6
        ? encodeUpdate({ mpUnreach: makeMpUnreach('ipv6-unicast', nlri) }, context)
        : encodeUpdate({ withdrawn: nlriOf('ipv4-unicast', nlri) }, context),
    );
  }
  return made;
}
