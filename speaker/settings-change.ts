import type { IpAddress } from 'bgp-ts';
import { ipEquals } from 'bgp-ts';
import type { PeerSettings } from './negotiate.ts';
import { tcpOptionsOf } from './tcp-options.ts';

/**
 * True if a running session cannot go on under the new settings: something the OPEN says, or which the TCP connection
 * was made with. The rest is applied as it stands: timers and back-off from their next start, socket options at once.
 * A key that replaces another does not reset either, since TCP repeats what the other side refused until it has it too.
 */
export function needsReset(before: PeerSettings, after: PeerSettings): boolean {
  return (
    !ipEquals(before.address, after.address) ||
    before.port !== after.port ||
    !sameAddress(before.localAddress, after.localAddress) ||
    before.device !== after.device ||
    before.localInterface !== after.localInterface ||
    before.localAs !== after.localAs ||
    before.remoteAs !== after.remoteAs ||
    before.kind !== after.kind ||
    !ipEquals(before.routerId, after.routerId) ||
    before.holdSeconds !== after.holdSeconds ||
    (before.password === undefined) !== (after.password === undefined) ||
    (before.fourOctetAs ?? true) !== (after.fourOctetAs ?? true) ||
    (before.extendedMessages ?? false) !== (after.extendedMessages ?? false) ||
    before.role !== after.role ||
    (before.strictRole ?? false) !== (after.strictRole ?? false) ||
    (before.extendedNextHop ?? false) !== (after.extendedNextHop ?? false) ||
    JSON.stringify([...before.families].sort()) !== JSON.stringify([...after.families].sort()) ||
    addPathKey(before) !== addPathKey(after)
  );
}

/**
 * True if a peer without a session has reason to try again at once: what its attempts are made with has changed, socket options and
 * key included, and waiting for the back-off would only hide whether that was the cause.
 */
export function changesAttempts(before: PeerSettings, after: PeerSettings): boolean {
  return (
    needsReset(before, after) ||
    before.passive !== after.passive ||
    (before.extendedOpenParameters ?? false) !== (after.extendedOpenParameters ?? false) ||
    JSON.stringify(tcpOptionsOf(before)) !== JSON.stringify(tcpOptionsOf(after))
  );
}

function sameAddress(a: IpAddress | undefined, b: IpAddress | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return ipEquals(a, b);
}

function addPathKey(settings: PeerSettings): string {
  const entries = (settings.addPath ?? []).filter((entry) => entry.send || entry.receive);
  return JSON.stringify(entries.map((entry) => `${entry.family} ${entry.send} ${entry.receive}`).sort());
}
