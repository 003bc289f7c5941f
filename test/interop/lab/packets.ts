import type { LabHost } from '../../../deploy/lab/lab.ts';

/** What one side sends the other, counted by the kernel of whoever it arrives at, whether anybody reads it or not. */
export interface PacketCount {
  /** So far. */
  packets(): number;
}

interface NftCounter {
  readonly counter?: { readonly name: string; readonly packets: number };
}

let counters = 0;

/**
 * Counts packets that arrive at a host.
 * @param match in the words of nft, such as `ip saddr 10.2.0.1 ip ttl 255`
 */
export function countPackets(host: LabHost, match: string): PacketCount {
  counters += 1;
  const name = `seen${counters}`;
  host.run(['nft', '-f', '-'], {
    input: `table inet ${name} {
      counter seen { }
      chain in { type filter hook input priority -10; ${match} counter name "seen"; }
    }\n`,
  });
  return {
    packets() {
      const text = host.run(['nft', '-j', 'list', 'counter', 'inet', name, 'seen']);
      const { nftables } = JSON.parse(text) as { nftables: readonly NftCounter[] };
      return nftables.find(({ counter }) => counter !== undefined)?.counter?.packets ?? 0;
    },
  };
}

/** The words of nft for a NOTIFICATION with this code and subcode at the begin of a segment: 3 follows 16 octets of marker and 2 of length. */
export function notification(code: number, subcode: number): string {
  const hex = (n: number): string => n.toString(16).padStart(2, '0');
  return `meta l4proto tcp @ih,144,24 0x03${hex(code)}${hex(subcode)}`;
}

/** A counter of the kernel's own for this host (`TcpExtTCPMD5Failure`). */
export function kernelCounter(host: LabHost, name: string): number {
  const line = host.run(['nstat', '-asz', name]).split('\n').at(1) ?? '';
  return Number(line.split(/\s+/)[1] ?? 0);
}

/** Stops every process of a host where it is (SIGSTOP), or lets them go on (SIGCONT). Their connections stay: the kernel answers for them. */
export function signalAll(host: LabHost, signal: 'SIGSTOP' | 'SIGCONT'): void {
  // The command that asks is among them, and gone by the time of the signal.
  const pids = host.run(['ip', 'netns', 'pids', host.namespace]).split('\n').filter(Boolean).map(Number);
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It is gone.
    }
  }
}
