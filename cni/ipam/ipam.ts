import { formatIp, formatPrefix, type IpAddress, type Prefix, parseIp, parsePrefix } from 'bgp-ts';
import { errorMessage } from '../../lib/result.ts';
import { CniCode, CniError } from '../spec.ts';
import { AddressPool, type Availability, type BlockSpec, type BlockUsage } from './pool.ts';
import type { Attachment, AttachmentKey, IpamStore } from './store.ts';

/** What to allocate for one interface. */
export interface AllocateRequest extends Omit<Attachment, 'state' | 'wired' | 'addresses'> {
  /** Addresses that the pod asks for, at most one per family; other families get any. */
  readonly wanted: readonly IpAddress[];
}

/** Reports of changes in use. */
export interface IpamHandlers {
  blockUsed?(prefix: Prefix): void;
  blockUnused?(prefix: Prefix): void;
}

/**
 * The addresses of this node: decides in memory, and makes every decision durable before it acts on it. Memory follows
 * the store, so that a step which the store refuses leaves both as they were.
 */
export class Ipam {
  readonly #store: IpamStore;
  readonly #pool = new AddressPool();
  readonly #attachments = new Map<string, Attachment>();
  readonly #coolDownMs: number;
  readonly #handlers: IpamHandlers;

  /** Reads the store; blocks known from the last run serve what they hold until {@link setBlocks}. */
  constructor(store: IpamStore, options: { readonly coolDownMs: number; readonly handlers?: IpamHandlers }) {
    this.#store = store;
    this.#coolDownMs = options.coolDownMs;
    this.#handlers = options.handlers ?? {};
    const contents = store.load();
    for (const { address, releasedMs } of contents.released) this.#pool.release(parsed(address), releasedMs);
    for (const attachment of contents.attachments) {
      this.#attachments.set(keyText(attachment), attachment);
      for (const address of attachment.addresses) this.#pool.hold(parsed(address));
    }
    this.#pool.addRetired(contents.blocks.map(parsedPrefix));
  }

  /**
   * Sets the blocks that new pods get addresses from.
   * @throws Error when the store cannot be written; the blocks are in force nevertheless
   */
  setBlocks(specs: readonly BlockSpec[]): void {
    const before = new Set(this.#usedBlocks());
    this.#pool.setBlocks(specs);
    const after = new Set(this.#usedBlocks());
    for (const text of after) if (!before.has(text)) this.#handlers.blockUsed?.(parsedPrefix(text));
    for (const text of before) if (!after.has(text)) this.#handlers.blockUnused?.(parsedPrefix(text));
    this.#store.saveBlocks(this.#pool.usage().map((usage) => formatPrefix(usage.prefix)));
  }

  blocks(): BlockUsage[] {
    return this.#pool.usage();
  }

  /** The families that new pods get an address of. */
  families(): { readonly ipv4: boolean; readonly ipv6: boolean } {
    return this.#pool.families();
  }

  attachments(): Attachment[] {
    return [...this.#attachments.values()];
  }

  get(key: AttachmentKey): Attachment | undefined {
    return this.#attachments.get(keyText(key));
  }

  /** The attachments of a container: the one of `ifName`, or all of them. */
  find(containerId: string, ifName?: string): Attachment[] {
    return this.attachments().filter(
      (entry) => entry.containerId === containerId && (ifName === undefined || entry.ifName === ifName),
    );
  }

  /**
   * Picks one address of each family that has blocks and records the intent, all or nothing.
   * @throws CniError when an address cannot be had or the store cannot be written; nothing is held then
   */
  allocate(request: AllocateRequest, nowMs: number): Attachment {
    const { wanted, ...attachment } = request;
    const families = this.#pool.families();
    if (!families.ipv4 && !families.ipv6) {
      throw new CniError(
        CniCode.TryAgainLater,
        'this node has no pod address block yet',
        'podrouted runs, but its configuration gives this node no block to take pod addresses from.',
      );
    }
    const addresses: IpAddress[] = [];
    for (const version of [4, 6] as const) {
      const asked = wanted.find((address) => address.version === version);
      if (asked !== undefined) addresses.push(this.#claim(asked));
      else if (version === 4 ? families.ipv4 : families.ipv6) addresses.push(this.#next(version, nowMs));
    }
    const entry = { ...attachment, addresses: addresses.map(formatIp) };
    this.#write('record the addresses', () => this.#store.begin(entry, 'adding'));
    const held: Attachment = { ...entry, state: 'adding' };
    this.#attachments.set(keyText(held), held);
    for (const address of addresses) for (const block of this.#pool.hold(address)) this.#handlers.blockUsed?.(block);
    return held;
  }

  /**
   * Takes up a pod that the kernel has and the store does not, as after the state file was lost.
   * @throws CniError when the store has another holder of one of its addresses, or cannot be written
   */
  adopt(found: Omit<Attachment, 'state' | 'wired'>): void {
    this.#write('record a pod that it found', () => this.#store.begin(found, 'ready'));
    this.#attachments.set(keyText(found), { ...found, state: 'ready' });
    for (const text of found.addresses) {
      for (const block of this.#pool.hold(parsed(text))) this.#handlers.blockUsed?.(block);
    }
  }

  /** Records that an attachment is wired. */
  confirm(key: AttachmentKey, wired: NonNullable<Attachment['wired']>): Attachment {
    const entry = this.#existing(key);
    this.#write('record that the pod is wired', () => this.#store.confirm(key, wired));
    const ready: Attachment = { ...entry, state: 'ready', wired };
    this.#attachments.set(keyText(key), ready);
    return ready;
  }

  /** Records that an attachment is about to be unwired. */
  markDeleting(key: AttachmentKey): void {
    const entry = this.#existing(key);
    if (entry.state === 'deleting') return;
    this.#write('record the removal', () => this.#store.markDeleting(key));
    this.#attachments.set(keyText(key), { ...entry, state: 'deleting' });
  }

  /** Forgets an attachment and frees its addresses. To be called once nothing in the kernel leads to them. */
  release(key: AttachmentKey, nowMs: number): void {
    const entry = this.#existing(key);
    this.#write('release the addresses', () => this.#store.release(key, nowMs));
    this.#attachments.delete(keyText(key));
    for (const text of entry.addresses) {
      for (const block of this.#pool.release(parsed(text), nowMs)) this.#handlers.blockUnused?.(block);
    }
  }

  /**
   * Proves that the store can be written.
   * @throws CniError when it cannot
   */
  probe(): void {
    this.#write('write', () => this.#store.probe());
  }

  close(): void {
    this.#store.close();
  }

  #claim(address: IpAddress): IpAddress {
    const availability = this.#pool.availability(address);
    if (availability === 'free') return address;
    throw new CniError(
      CniCode.AddressUnavailable,
      `the pod asks for address ${formatIp(address)}, which ${unavailable[availability]}`,
      availability === 'held' ? this.#holderOf(address) : `This node's blocks: ${this.#describeAll()}.`,
    );
  }

  #next(version: 4 | 6, nowMs: number): IpAddress {
    const address = this.#pool.next(version, nowMs, this.#coolDownMs);
    if (address !== undefined) return address;
    throw new CniError(
      CniCode.NoFreeAddress,
      `no free IPv${version} address on this node: ${this.#pool.describe(version)}`,
      'Every address of the node is held by a pod or reserved. Give the node another block, or move pods elsewhere.',
    );
  }

  #holderOf(address: IpAddress): string {
    const text = formatIp(address);
    const holder = this.attachments().find((entry) => entry.addresses.includes(text));
    if (holder === undefined) return '';
    const pod = holder.podName === undefined ? '' : ` (pod ${holder.podNamespace ?? ''}/${holder.podName})`;
    return `Held by container ${holder.containerId}, interface ${holder.ifName}${pod}.`;
  }

  #describeAll(): string {
    return [this.#pool.describe(4), this.#pool.describe(6)].filter((part) => part !== '').join(', ');
  }

  #usedBlocks(): string[] {
    return this.#pool
      .usage()
      .filter((usage) => usage.used > 0)
      .map((usage) => formatPrefix(usage.prefix));
  }

  #existing(key: AttachmentKey): Attachment {
    const entry = this.get(key);
    if (entry === undefined) throw new Error(`no attachment ${key.containerId} ${key.ifName}`);
    return entry;
  }

  #write(what: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      throw new CniError(
        CniCode.IoFailure,
        `podrouted cannot ${what}: its store cannot be written`,
        `${errorMessage(error)}. Look at the disk that holds podrouted's state file.`,
        { cause: error },
      );
    }
  }
}

const unavailable: Readonly<Record<Exclude<Availability, 'free'>, string>> = {
  held: 'another pod holds',
  reserved: 'is reserved',
  outside: 'is in none of the blocks of this node',
  retired: 'is in a block that is being taken out of service',
};

function keyText(key: AttachmentKey): string {
  return `${key.containerId}\0${key.ifName}`;
}

function parsed(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`address '${text}' in the store`);
  return address;
}

function parsedPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`block '${text}' in the store`);
  return prefix;
}
