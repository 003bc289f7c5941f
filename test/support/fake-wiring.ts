import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { formatIp, type IpAddress, parseIp } from 'bgp-ts';
import { type HostInterface, type WiredPod, type WireRequest, type Wiring, WiringError } from '../../cni/wiring.ts';

interface FakePod {
  readonly containerId: string;
  readonly network: string;
  readonly ifName: string;
  readonly netns: string;
  readonly addresses: readonly string[];
}

/**
 * A kernel of pods in memory, or in a JSON file that outlives the process, as the real one does. Faults: `failNext`
 * makes the next call of a method fail; `namespaces`, when set, are the only ones that exist.
 */
export class FakeWiring implements Wiring {
  readonly #path: string | undefined;
  readonly #pods = new Map<string, FakePod>();
  readonly failNext = new Map<'wire' | 'unwire' | 'verify', Error>();
  namespaces: Set<string> | undefined;
  /** Host ends whose routes someone deleted. */
  readonly damaged = new Set<string>();
  readonly calls: string[] = [];
  /** Awaited within wire, so that a test decides when it ends. */
  gate: Promise<void> | undefined;

  constructor(path?: string) {
    this.#path = path;
    if (path === undefined || !existsSync(path)) return;
    for (const [name, pod] of JSON.parse(readFileSync(path, 'utf8')) as [string, FakePod][]) this.#pods.set(name, pod);
  }

  /** Host end -> addresses that lead to it. */
  get pods(): ReadonlyMap<string, FakePod> {
    return this.#pods;
  }

  /** Every address that leads to a pod, sorted. */
  get addresses(): string[] {
    return [...this.#pods.values()].flatMap((pod) => pod.addresses).sort();
  }

  async wire(request: WireRequest): Promise<WiredPod> {
    this.calls.push(`wire ${request.containerId} ${request.ifName}`);
    await this.gate;
    this.#fail('wire');
    if (this.namespaces?.has(request.netns) === false) {
      throw new WiringError({ code: 'no-namespace', netns: request.netns }, 'no such file');
    }
    const addresses = request.addresses.map(formatIp);
    for (const [name, pod] of this.#pods) {
      if (name !== request.hostIfName && pod.addresses.some((address) => addresses.includes(address))) {
        throw new Error(`two pods with ${addresses.join(' ')}`);
      }
    }
    const { containerId, network, ifName, netns } = request;
    this.#pods.set(request.hostIfName, { containerId, network, ifName, netns, addresses });
    this.#save();
    return { hostMac: 'ee:ee:ee:ee:ee:ee', podMac: '02:00:00:00:00:01', mtu: request.mtu ?? 1500 };
  }

  async unwire(hostIfName: string): Promise<void> {
    this.calls.push(`unwire ${hostIfName}`);
    this.#fail('unwire');
    this.#pods.delete(hostIfName);
    this.damaged.delete(hostIfName);
    this.#save();
  }

  async verify(request: WireRequest): Promise<readonly string[]> {
    this.#fail('verify');
    const pod = this.#pods.get(request.hostIfName);
    if (pod === undefined) return [`host interface ${request.hostIfName} is gone`];
    return this.damaged.has(request.hostIfName) ? ['the route to the pod is missing'] : [];
  }

  async repairHost(request: { hostIfName: string; addresses: readonly IpAddress[] }): Promise<boolean> {
    this.calls.push(`repair ${request.hostIfName}`);
    this.damaged.delete(request.hostIfName);
    return this.#pods.has(request.hostIfName);
  }

  async hostInterfaces(): Promise<readonly HostInterface[]> {
    return [...this.#pods].map(([name, pod]) => ({
      name,
      owner: { containerId: pod.containerId, ifName: pod.ifName, network: pod.network, netns: pod.netns },
      addresses: pod.addresses.map((text) => parseIp(text)).filter((address) => address !== undefined),
    }));
  }

  prepareHost(): void {}

  async close(): Promise<void> {}

  #fail(method: 'wire' | 'unwire' | 'verify'): void {
    const error = this.failNext.get(method);
    if (error === undefined) return;
    this.failNext.delete(method);
    throw error;
  }

  #save(): void {
    if (this.#path !== undefined) writeFileSync(this.#path, JSON.stringify([...this.#pods]));
  }
}
