import { encodeUpdate, ipv4FromUint32, type PathAttributes } from 'bgp-ts';
import { type Expectations, LoadReceiver, noErrors } from './load-receiver.ts';
import { contextOf, ipv6NextHop } from './load-stream.ts';
import { attributesOf, dutAs, type LoadTable, sessionAddress } from './load-table.ts';
import type { Workload } from './workloads.ts';

const ENOUGH_MS = 400;
const SETS = 500;

/**
 * Checks UPDATEs as a speaker would send them, made here, for a moment: so that the checking is compiled before it counts, and so that a
 * workload which cannot be told right from wrong is found before a speaker is blamed.
 * @throws Error when one of them is taken for wrong
 */
export function warmUp(workload: Workload, table: LoadTable, expectations: Expectations): void {
  if (table.count === 0) return;
  const errors = noErrors();
  const receiver = new LoadReceiver(workload, table, expectations, 0x0a000001, errors, { churned() {} });
  const messages = madeUpdates(workload, table);
  const deadline = performance.now() + ENOUGH_MS;
  while (performance.now() < deadline) for (const bytes of messages) receiver.receive(bytes, 19, bytes.length);
  if (receiver.firstFault !== undefined) throw new Error(`made in the warm-up: ${receiver.firstFault}`);
}

function madeUpdates(workload: Workload, table: LoadTable): Uint8Array[] {
  const context = contextOf(workload);
  const messages: Uint8Array[] = [];
  for (let i = 0; i < table.count && messages.length < SETS; ) {
    const set = table.setOf[i]!;
    const sender = workload.kind === 'reflection' ? set : messages.length % workload.senders;
    const { asPath = [], ...others } = attributesOf(workload, sender, set);
    const asns = asPath.flatMap((segment) => segment.asns);
    const attributes: PathAttributes =
      workload.kind === 'reflection'
        ? { ...others, asPath }
        : { ...others, asPath: [{ type: 'sequence', asns: [dutAs, ...asns] }] };
    const nlri = [];
    const wire = new Uint8Array(8);
    for (; i < table.count && table.setOf[i] === set; i++) {
      if (nlri.length === 50) continue;
      table.write(wire, 0, i);
      const length = wire[0]!;
      const octets = new Uint8Array(workload.ipv6 ? 16 : 4);
      octets.set(wire.subarray(1, 1 + ((length + 7) >> 3)));
      nlri.push({ prefix: { address: { version: workload.ipv6 ? 6 : 4, octets } as const, length } });
    }
    const address = sessionAddress(sender);
    const update = workload.ipv6
      ? {
          attributes,
          mpReach: { afi: 2, safi: 1, family: 'ipv6-unicast' as const, nextHop: ipv6NextHop(address), nlri },
        }
      : { attributes: { ...attributes, nextHop: ipv4FromUint32(address) }, nlri };
    messages.push(encodeUpdate(update, context));
  }
  return messages;
}
