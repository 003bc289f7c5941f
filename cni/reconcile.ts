import { statfsSync } from 'node:fs';
import { formatIp } from 'bgp-ts';
import { errorMessage } from '../lib/result.ts';
import { addressesOf } from './add.ts';
import type { CommandContext } from './context.ts';
import { detach } from './del.ts';
import type { Attachment } from './ipam/store.ts';
import { hostIfName } from './wiring.ts';

/** `f_type` of the file system that network namespaces live on. */
const nsfsMagic = 0x6e736673;

/** What a start found and did. */
export interface ReconcileReport {
  /** Attachments whose routes were put back or were in place. */
  readonly kept: number;
  /** Half-made or half-removed ones that were taken down. */
  readonly undone: number;
  /** Ready ones whose interface and namespace are both gone, as after a reboot. */
  readonly gone: number;
  /** Pods that the kernel has and the store did not, as after the state file was lost. */
  readonly adopted: number;
  /** What could not be dealt with and is tried again at the next DEL, GC or start. */
  readonly failed: number;
}

/**
 * Brings store and kernel together after a stop of any kind. An attachment that no runtime was told about (`adding`)
 * is undone, one that was being deleted is finished, and the routes of live pods are put back.
 */
export async function reconcile(context: CommandContext): Promise<ReconcileReport> {
  const report = { kept: 0, undone: 0, gone: 0, adopted: 0, failed: 0 };
  for (const attachment of context.ipam.attachments()) {
    try {
      report[await reconcileOne(context, attachment)]++;
    } catch (error) {
      report.failed++;
      context.log.warn('cni reconcile', { container: attachment.containerId, error: errorMessage(error) });
    }
  }
  await adoptStrays(context, report);
  return report;
}

/**
 * A host end that the store does not know belongs to a pod that lives: every removal deletes the interface before the
 * record. Its addresses must not be handed out again.
 */
async function adoptStrays(context: CommandContext, report: { adopted: number; failed: number }): Promise<void> {
  const known = new Set(context.ipam.attachments().map((attachment) => attachment.hostIfName));
  for (const { name, addresses, owner } of await context.wiring.hostInterfaces()) {
    if (known.has(name)) continue;
    try {
      if (owner === undefined) throw new Error('it does not say whose it is');
      if (hostIfName(owner.containerId, owner.ifName) !== name) throw new Error('its name and what it says differ');
      context.ipam.adopt({
        ...owner,
        hostIfName: name,
        defaultRoutes: true,
        createdMs: Math.round(context.clock.wallMs()),
        addresses: addresses.map(formatIp),
      });
      report.adopted++;
    } catch (error) {
      report.failed++;
      context.log.warn('cni stray interface', { interface: name, error: errorMessage(error) });
    }
  }
}

async function reconcileOne(context: CommandContext, attachment: Attachment): Promise<'kept' | 'undone' | 'gone'> {
  if (attachment.state !== 'ready') {
    await detach(context, attachment);
    return 'undone';
  }
  const alive = await context.wiring.repairHost({
    hostIfName: attachment.hostIfName,
    addresses: addressesOf(attachment),
  });
  if (alive || isNamespace(attachment.netns)) return 'kept';
  await detach(context, attachment);
  return 'gone';
}

/** Whether `path` is a network namespace that still exists. */
export function isNamespace(path: string): boolean {
  try {
    return statfsSync(path).type === nsfsMagic;
  } catch {
    return false;
  }
}
