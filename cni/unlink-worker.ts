/**
 * Deletes interfaces in a thread of its own: the kernel holds the caller for 25 to 33 ms, which the daemon's loop, with
 * keepalives to send, cannot spare.
 */
import { parentPort } from 'node:worker_threads';
import { isRefused } from '../netlink/errors.ts';
import { deleteLink } from '../netlink/link.ts';
import { NetlinkSocket } from '../netlink/socket.ts';
import type { UnlinkReply, UnlinkRequest } from './unlink.ts';

const port = parentPort;
if (port === null) throw new Error('unlink-worker.ts is a worker thread');
const socket = NetlinkSocket.open({ receiveBufferOctets: 64 * 1024 });

port.on('message', (request: UnlinkRequest) => {
  port.postMessage({ id: request.id, ...unlink(request.name) } satisfies UnlinkReply);
});

function unlink(name: string): { readonly error?: string } {
  try {
    socket.requestSync(deleteLink({ name }));
    return {};
  } catch (error) {
    if (isRefused(error, 'ENODEV')) return {};
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
