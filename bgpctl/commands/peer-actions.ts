import type { DrainReply, PeerActionReply } from '../../lib/api.ts';
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

/** `drain [PEER] [--end]`. */
export async function drain(
  context: Context,
  peer: string | undefined,
  options: { readonly end?: boolean },
): Promise<void> {
  const body = { ...(peer === undefined ? {} : { peer }), end: options.end === true };
  await print(context, await context.client.post<DrainReply>('/v1/drain', body), formatDrain);
}

function formatDrain({ peers, done }: DrainReply): string {
  const names = peers.length === 0 ? 'none' : peers.map(printable).join(', ');
  return `${printable(done)}\nDrained now: ${names}\n`;
}

function formatAction(reply: PeerActionReply): string {
  return `${printable(reply.peer)}: ${printable(reply.done)}\n`;
}
