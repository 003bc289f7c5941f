import { readFileSync } from 'node:fs';

/**
 * Segments that the kernel dropped because of TCP MD5 keys (RFC 2385 §4.1), of all connections of this network namespace together.
 * What is dropped is not answered: these counters are all that tells a wrong key from a dead host.
 */
export interface Md5Drops {
  /** Unsigned ones, where a key is configured. */
  readonly unsigned: number;
  /** Signed ones, where no key is configured. */
  readonly signed: number;
  /** Signed with another key. */
  readonly mismatched: number;
}

/** Reads the counters out of the text of /proc/net/netstat: pairs of lines, names above and values below. */
export function parseMd5Drops(text: string): Md5Drops {
  const lines = text.split('\n').filter((line) => line.startsWith('TcpExt:'));
  const names = lines[0]?.split(' ') ?? [];
  const values = lines[1]?.split(' ') ?? [];
  const count = (name: string): number => {
    const at = names.indexOf(name);
    return at < 0 ? 0 : Number(values[at] ?? 0);
  };
  return {
    unsigned: count('TCPMD5NotFound'),
    signed: count('TCPMD5Unexpected'),
    mismatched: count('TCPMD5Failure'),
  };
}

/** The counters now; all zero where the kernel does not show them. */
export function readMd5Drops(): Md5Drops {
  try {
    return parseMd5Drops(readFileSync('/proc/net/netstat', 'latin1'));
  } catch {
    return parseMd5Drops('');
  }
}

/**
 * Why a connection attempt may have met with silence, as far as keys can be the cause.
 * @returns words that follow `no answer`; empty if keys have nothing to do with it
 */
export function silenceReason(hasKey: boolean, before: Md5Drops, after: Md5Drops): string {
  if (hasKey && after.mismatched > before.mismatched) {
    return ': segments with another TCP MD5 key arrived meanwhile, the keys seem to differ';
  }
  if (hasKey && after.unsigned > before.unsigned) {
    return ': segments without a TCP MD5 key arrived meanwhile, the other side seems to have none';
  }
  if (!hasKey && after.signed > before.signed) {
    return ': segments with a TCP MD5 key arrived meanwhile, the other side seems to have one, and none is configured here';
  }
  return hasKey ? ': not reachable, or its TCP MD5 key differs' : '';
}
