import { errorMessage } from '../lib/result.ts';
import type { CommandContext } from './context.ts';
import { detach } from './del.ts';
import type { AttachmentKey } from './ipam/store.ts';
import type { NodeRequest } from './request.ts';
import { CniCode, CniError } from './spec.ts';

/** Runs a task while no other command of the container runs. */
export type WithContainer = (containerId: string, task: () => Promise<void>) => Promise<void>;

/**
 * GC: takes down what the runtime no longer knows, of this network only. An ADD that is under way is not touched: its
 * runtime cannot have listed it.
 * @throws CniError naming what could not be removed, once everything else is
 */
export async function gc(context: CommandContext, request: NodeRequest, locked: WithContainer): Promise<void> {
  const valid = request.config.validAttachments;
  if (valid === undefined) throw new CniError(CniCode.InvalidConfig, 'GC needs cni.dev/valid-attachments');
  const known = new Set(valid.map(keyText));
  const failures: string[] = [];
  for (const { containerId, ifName, network } of context.ipam.attachments()) {
    if (network !== request.config.name || known.has(keyText({ containerId, ifName }))) continue;
    await locked(containerId, async () => {
      const attachment = context.ipam.get({ containerId, ifName });
      if (attachment === undefined || attachment.state === 'adding') return;
      try {
        await detach(context, attachment);
        context.log.info('cni gc', { container: containerId, interface: ifName, addresses: attachment.addresses });
      } catch (error) {
        failures.push(`${containerId} ${ifName}: ${errorMessage(error)}`);
      }
    });
  }
  if (failures.length === 0) return;
  throw new CniError(CniCode.WiringFailed, `${failures.length} stale attachments are left`, failures.join('; '));
}

function keyText(key: AttachmentKey): string {
  return `${key.containerId}\0${key.ifName}`;
}
