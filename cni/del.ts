import { type CommandContext, wiringFailure } from './context.ts';
import type { Attachment } from './ipam/store.ts';
import type { DetachRequest } from './request.ts';
import { hostIfName } from './wiring.ts';

/**
 * DEL: needs the container id and nothing else, since the runtime calls it again when the namespace is long gone.
 * Nothing left to delete is success.
 * @throws CniError when something is left; the runtime tries again
 */
export async function del(context: CommandContext, request: DetachRequest): Promise<void> {
  const attachments = context.ipam.find(request.containerId, request.ifName);
  for (const attachment of attachments) await detach(context, attachment);
  if (attachments.length > 0 || request.ifName === undefined) return;
  // Not in the store, but the name of a host end follows from the request: one left by a lost store goes as well.
  await unwire(context, hostIfName(request.containerId, request.ifName));
}

/**
 * Takes one attachment down: intent, wiring, address, in this order, so that an address is free only when nothing in
 * the kernel leads to it any more.
 */
export async function detach(context: CommandContext, attachment: Attachment): Promise<void> {
  context.ipam.markDeleting(attachment);
  context.step('detach-intent', attachment);
  await unwire(context, attachment.hostIfName);
  context.step('unwired', attachment);
  context.ipam.release(attachment, context.clock.wallMs());
  context.detached(attachment);
  context.step('detached', attachment);
}

async function unwire(context: CommandContext, name: string): Promise<void> {
  try {
    await context.wiring.unwire(name);
  } catch (error) {
    throw wiringFailure(error);
  }
}
