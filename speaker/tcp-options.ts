import type { TcpOptions } from './connection.ts';
import type { PeerSettings } from './negotiate.ts';

/** What the kernel shall do for connections with a peer. */
export function tcpOptionsOf(settings: PeerSettings): TcpOptions {
  const ttl = ttlOf(settings);
  return {
    ...(settings.password === undefined ? {} : { password: settings.password }),
    ...(ttl === undefined ? {} : { ttl }),
    // GTSM (RFC 5082 §3): sent with 255, each hop takes one, so a peer next door arrives with 255 undiminished.
    ...(settings.ttlSecurityHops === undefined ? {} : { minTtl: 256 - settings.ttlSecurityHops }),
    tos: settings.tos,
    ...(settings.holdSeconds > 0 ? { userTimeoutMs: settings.holdSeconds * 1000 } : {}),
  };
}

function ttlOf(settings: PeerSettings): number | undefined {
  if (settings.ttlSecurityHops !== undefined) return 255;
  if (settings.multihopTtl !== undefined) return settings.multihopTtl;
  return settings.kind === 'ebgp' ? 1 : undefined;
}
