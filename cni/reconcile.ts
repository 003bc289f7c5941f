import { statfsSync } from 'node:fs';
import { errorMessage } from '../lib/result.ts';
import { addressesOf } from './add.ts';
import type { CommandContext } from './context.ts';
import { detach } from './del.ts';
import type { Attachment } from './ipam/store.ts';

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
  /** What could not be dealt with and is tried again at the next DEL, GC or start. */
  readonly failed: number;
}

/**
 * Brings store and kernel together after a stop of any kind. An attachment that no runtime was told about (`adding`)
 * is undone, one that was being deleted is finished, and the routes of live pods are put back.
 */
export async function reconcile(context: CommandContext): Promise<ReconcileReport> {
  const report = { kept: 0, undone: 0, gone: 0, failed: 0 };
  for (const attachment of context.ipam.attachments()) {
    try {
      report[await reconcileOne(context, attachment)]++;
    } catch (error) {
      report.failed++;
      context.log.warn('cni reconcile', { container: attachment.containerId, error: errorMessage(error) });
    }
  }
  return report;
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
