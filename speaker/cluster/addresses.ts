import { join } from 'node:path';
import { formatIp, type IpAddress, ipEquals, parseIp } from 'bgp-ts';
import { z } from 'zod';
import type { DesiredDetection, DesiredState } from '../../config/desired-state.ts';
import { type Detection, detectAddress, isOnMachine } from '../../config/nodes/address-detection.ts';
import { type DetectionMethod, parseDetectionMethod } from '../../config/nodes/detection-method.ts';
import type { DetectedAddresses } from '../../config/shared.ts';
import { type Machine, readMachine, sourceTowards } from '../../fib/machine-interfaces.ts';
import type { ApiDetection } from '../../lib/api-cluster.ts';
import type { Logger } from '../../lib/log.ts';
import { errorMessage } from '../../lib/result.ts';
import { readIfThere, replaceFile } from '../../lib/whole-file.ts';

/** How the machine is looked at. */
export interface MachineReader {
  read(): Machine;
  towards(target: IpAddress): { readonly device: string; readonly source: IpAddress } | undefined;
}

/** What a {@link NodeAddresses} is made of. */
export interface NodeAddressesOptions {
  /** The configuration as the files say it. */
  readonly state: DesiredState;
  readonly stateDirectory: string;
  readonly log: Logger;
  readonly machine?: MachineReader;
}

const versions = [4, 6] as const;
type Version = (typeof versions)[number];

/** A choice that outlives the daemon. */
const remembered = z.object({ address: z.string(), interface: z.string(), method: z.string() });
const rememberedFile = z.object({ ipv4: remembered.optional(), ipv6: remembered.optional() });
type Remembered = z.infer<typeof rememberedFile>;

/**
 * The addresses that a node finds out by itself, where its Node names none. Chosen once, at the start: one that was chosen before is
 * chosen again for as long as the machine has it, and a running daemon never takes another.
 */
export class NodeAddresses {
  readonly #machine: MachineReader;
  readonly #methods: Readonly<Record<Version, DesiredDetection>>;
  /** As chosen at the start. */
  readonly #chosen = new Map<Version, { readonly address: IpAddress; readonly interfaceName: string }>();

  /** @throws Error when somebody asked for an address to be found and there is none, with all that was looked at */
  constructor(options: NodeAddressesOptions) {
    const { state, stateDirectory, log } = options;
    this.#machine = options.machine ?? { read: readMachine, towards: sourceTowards };
    this.#methods = { 4: state.addressDetection.ipv4, 6: state.addressDetection.ipv6 };
    const open = versions.filter(
      (version) => this.#methods[version].method !== 'none' && nodeAddress(state, version) === undefined,
    );
    if (open.length === 0) return;
    const path = join(stateDirectory, 'node-addresses.json');
    const known = readRemembered(path, log);
    const machine = this.#machine.read();
    for (const version of open) this.#choose(version, machine, known[`ipv${version}`], log);
    this.#remember(path, known, log);
  }

  /** Whether anything was found. */
  get isAny(): boolean {
    return this.#chosen.size > 0;
  }

  /** What was found. */
  get detected(): DetectedAddresses {
    return { ipv4: this.#chosen.get(4)?.address, ipv6: this.#chosen.get(6)?.address };
  }

  /** How this node came to its addresses, and what the choice would be made of now. */
  reply(state: DesiredState): ApiDetection[] {
    let machine: Machine;
    try {
      machine = this.#machine.read();
    } catch (error) {
      const problem = `the interfaces cannot be read: ${errorMessage(error)}`;
      return versions.map((version) => ({ version, method: this.#methods[version].method, problem, candidates: [] }));
    }
    return versions.map((version): ApiDetection => {
      const own = nodeAddress(state, version);
      const address = own === undefined ? {} : { address: formatIp(own) };
      const chosen = this.#chosen.get(version);
      const isMissing = own !== undefined && !isOnMachine(machine.interfaces, own);
      if (own !== undefined && (chosen === undefined || !ipEquals(own, chosen.address))) {
        const problem = isMissing ? { problem: 'no interface of this machine has it' } : {};
        return { version, method: 'configured', ...address, ...problem, candidates: [] };
      }
      const { method } = this.#methods[version];
      if (method === 'none') return { version, method, candidates: [] };
      const detection = this.#detect(version, machine, chosen?.address);
      const next = detection.chosen === undefined ? 'none' : formatIp(detection.chosen.address);
      const problem =
        own === undefined
          ? `none was found at the start; the next start would take ${next}`
          : `is no longer on this machine (it was on ${chosen?.interfaceName}); the daemon keeps it until it is started again, and would then take ${next}`;
      return {
        version,
        method,
        ...address,
        ...(chosen === undefined ? {} : { interface: chosen.interfaceName }),
        ...(own === undefined || isMissing ? { problem } : {}),
        candidates: detection.candidates.map(({ interfaceName, kind, address: found, isChosen, reason }) => ({
          interface: interfaceName,
          ...(kind === undefined ? {} : { kind }),
          ...(found === undefined ? {} : { address: `${formatIp(found.address)}/${found.prefixLength}` }),
          // What would be chosen next is not what is in force.
          isChosen: isChosen && chosen !== undefined && !isMissing,
          reason,
        })),
      };
    });
  }

  #choose(version: Version, machine: Machine, before: Remembered['ipv4'], log: Logger): void {
    const { method, isAskedFor } = this.#methods[version];
    const known = before?.method === method ? parseIp(before.address) : undefined;
    const detection = this.#detect(version, machine, known);
    const { chosen, candidates } = detection;
    if (chosen === undefined) {
      const why = candidates.map(
        ({ interfaceName, address, reason }) =>
          `${address === undefined ? interfaceName : `${formatIp(address.address)} on ${interfaceName}`} ${reason}`,
      );
      const problem = `no IPv${version} address of this node found by ${method}: ${why.join('; ') || 'no interface has one'}`;
      if (isAskedFor) throw new Error(`${problem}. The Node can name one.`);
      log.warn('no node address', { reason: problem });
      return;
    }
    this.#chosen.set(version, chosen);
    const fields = { address: formatIp(chosen.address), interface: chosen.interfaceName, method };
    const reason = candidates.find(({ isChosen }) => isChosen)?.reason;
    if (before !== undefined && before.address !== fields.address) {
      log.warn('node address changed', { ...fields, reason, before: before.address });
    } else {
      log.info('node address', { ...fields, reason });
    }
  }

  #detect(version: Version, { interfaces, defaultDevices }: Machine, kept: IpAddress | undefined): Detection {
    const parsed = parseDetectionMethod(this.#methods[version].method, version);
    // The schema has read it before.
    const method: DetectionMethod = parsed.ok ? parsed.value : { type: 'none' };
    const towards = method.type === 'can-reach' ? this.#machine.towards(method.target) : undefined;
    return detectAddress({ version, method, interfaces, defaultDevices: defaultDevices[version], towards, kept });
  }

  #remember(path: string, known: Remembered, log: Logger): void {
    const entry = (version: Version) => {
      const chosen = this.#chosen.get(version);
      if (chosen === undefined) return known[`ipv${version}`];
      const { method } = this.#methods[version];
      return { address: formatIp(chosen.address), interface: chosen.interfaceName, method };
    };
    const text = `${JSON.stringify({ ipv4: entry(4), ipv6: entry(6) })}\n`;
    if (text === `${JSON.stringify(known)}\n`) return;
    try {
      replaceFile(path, 0o600, text);
    } catch (error) {
      log.warn('node address not remembered', { path, reason: errorMessage(error) });
    }
  }
}

function nodeAddress({ node }: DesiredState, version: Version): IpAddress | undefined {
  return version === 4 ? node.ipv4Address : node.ipv6Address;
}

function readRemembered(path: string, log: Logger): Remembered {
  try {
    return rememberedFile.parse(JSON.parse(readIfThere(path) ?? '{}'));
  } catch (error) {
    log.warn('node address of the last run', { path, reason: errorMessage(error) });
    return {};
  }
}
