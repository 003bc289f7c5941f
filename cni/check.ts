import { formatIp } from 'bgp-ts';
import { addressesOf } from './add.ts';
import { type CommandContext, wireRequestOf, wiringFailure } from './context.ts';
import type { Attachment } from './ipam/store.ts';
import type { AttachRequest } from './request.ts';
import { CniCode, CniError, type PreviousResult } from './spec.ts';

/**
 * CHECK: compares the runtime's copy of the result, the store and the kernel.
 * @throws CniError with every difference in `details`
 */
export async function check(context: CommandContext, request: AttachRequest): Promise<void> {
  const previous = request.config.previous;
  if (previous === undefined) throw new CniError(CniCode.InvalidConfig, 'CHECK needs prevResult, the result of ADD');
  const attachment = context.ipam.get(request);
  if (attachment === undefined || attachment.state !== 'ready') {
    throw new CniError(
      CniCode.UnknownContainer,
      `podroute has not set up interface ${request.ifName} of this container`,
      attachment === undefined ? 'It is not in the store.' : `It is being ${progress[attachment.state]}.`,
    );
  }
  const problems = [...compareResult(attachment, previous, request)];
  try {
    const wanted = { ...wireRequestOf(attachment, addressesOf(attachment)), netns: request.netns };
    problems.push(...(await context.wiring.verify(wanted)));
  } catch (error) {
    throw wiringFailure(error);
  }
  if (problems.length === 0) return;
  throw new CniError(
    CniCode.CheckFailed,
    `the pod's network is not as podroute left it: ${problems[0]}`,
    problems.join('; '),
  );
}

const progress = { adding: 'added', ready: 'used', deleting: 'deleted' } as const;

/** What the runtime believes of our interface, beside what the store says. */
function compareResult(attachment: Attachment, previous: PreviousResult, request: AttachRequest): string[] {
  const problems: string[] = [];
  const index = previous.interfaces.findIndex(
    (entry) => entry['name'] === request.ifName && typeof entry['sandbox'] === 'string' && entry['sandbox'] !== '',
  );
  if (index < 0) problems.push(`prevResult has no interface ${request.ifName} in the pod`);
  const host = previous.interfaces.some((entry) => entry['name'] === attachment.hostIfName);
  if (!host) problems.push(`prevResult has no host interface ${attachment.hostIfName}`);
  const believed = previous.ips
    .filter((entry) => entry['interface'] === index)
    .map((entry) => String(entry['address']).split('/')[0] ?? '');
  const held = addressesOf(attachment).map(formatIp);
  for (const address of held) if (!believed.includes(address)) problems.push(`prevResult lacks address ${address}`);
  for (const address of believed) {
    if (!held.includes(address)) problems.push(`prevResult has address ${address}, which the pod does not hold`);
  }
  return problems;
}
