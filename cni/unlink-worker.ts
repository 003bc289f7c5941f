/**
 * Deletes interfaces in a thread of its own: the kernel holds the caller for 25 to 33 ms, which the daemon's loop, with
 * keepalives to send, cannot spare. Nearly all of that is waiting for other CPUs to let go of the interface, and it is
 * the same wait for one as for many: what piles up meanwhile is put into one interface group and deleted with it.
 */
import { randomInt } from 'node:crypto';
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { isRefused } from '../netlink/errors.ts';
import { deleteLink } from '../netlink/link.ts';
import { MessageType, type NetlinkRequest } from '../netlink/message.ts';
import { NetlinkSocket } from '../netlink/socket.ts';
import type { UnlinkReply, UnlinkRequest } from './unlink.ts';

/** At most so many at once: the kernel's interface lock is held for all of them. */
const maxGroup = 32;
const IFLA_IFNAME = 3;
const IFLA_GROUP = 27;

const socket = NetlinkSocket.open({ receiveBufferOctets: 256 * 1024 });
/** A number that nobody else uses, so that the group holds what was put there here and nothing else. */
const group = randomInt(2 ** 30, 2 ** 31 - 1);

function serve(port: MessagePort): void {
  port.on('message', (first: UnlinkRequest) => {
    const requests = [first];
    while (requests.length < maxGroup) {
      const next: { message: UnlinkRequest } | undefined = receiveMessageOnPort(port);
      if (next === undefined) break;
      requests.push(next.message);
    }
    if (requests.length > 1) unlinkGroup(requests.map((request) => request.name));
    // One by one what the group did not take; what it took is ENODEV now.
    for (const request of requests) port.postMessage({ id: request.id, ...unlink(request.name) } satisfies UnlinkReply);
  });
}

function unlinkGroup(names: readonly string[]): void {
  try {
    const batch = socket.batch();
    for (const name of names) batch.add(groupRequest(MessageType.NewLink, name));
    batch.flush();
    socket.requestSync(groupRequest(MessageType.DelLink));
  } catch {
    // Whatever it was, deleting one by one meets it again and says so.
  }
}

/** Puts one interface into the group (NewLink without Create changes), or deletes the whole group. */
function groupRequest(type: number, name?: string): NetlinkRequest {
  return {
    type,
    flags: 0,
    write(writer) {
      for (let i = 0; i < 4; i++) writer.u32(0); // struct ifinfomsg: any family, no index, no flags
      if (name !== undefined) writer.attributeText(IFLA_IFNAME, name);
      writer.attributeU32(IFLA_GROUP, group);
    },
  };
}

function unlink(name: string): { readonly error?: string } {
  try {
    socket.requestSync(deleteLink({ name }));
    return {};
  } catch (error) {
    if (isRefused(error, 'ENODEV')) return {};
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

if (parentPort === null) throw new Error('unlink-worker.ts is a worker thread');
serve(parentPort);
