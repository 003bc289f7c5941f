import type { PeerActionReply } from '../../lib/api.ts';
import { type Context, peerPath, print } from '../context.ts';
import { printable } from '../format.ts';

/** `clear PEER [--soft]`. */
export async function clearPeer(context: Context, peer: string, options: { readonly soft?: boolean }): Promise<void> {
  const body = { soft: options.soft === true };
  await print(context, await context.client.post<PeerActionReply>(peerPath(peer, 'clear'), body), formatAction);
}

/** `shutdown PEER [--message TEXT]`. */
export async function shutdownPeer(
  context: Context,
  peer: string,
  options: { readonly message?: string },
): Promise<void> {
  const body = options.message === undefined ? {} : { message: options.message };
  await print(context, await context.client.post<PeerActionReply>(peerPath(peer, 'shutdown'), body), formatAction);
}

/** `enable PEER`. */
export async function enablePeer(context: Context, peer: string): Promise<void> {
  await print(context, await context.client.post<PeerActionReply>(peerPath(peer, 'enable')), formatAction);
}

function formatAction(reply: PeerActionReply): string {
  return `${printable(reply.peer)}: ${printable(reply.done)}\n`;
}
