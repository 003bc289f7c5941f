import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildLabImage, labImage } from '../../deploy/lab/container-image.ts';
import { type Containerd, installPlugins, startContainerd } from '../../deploy/lab/containerd.ts';
import { Lab } from '../../deploy/lab/lab.ts';
import { buildTwoRacks, type LabNode } from '../../deploy/lab/topology.ts';
import { waitForPeers } from '../netns/lab-daemon.ts';
import { buildPlugin } from '../support/cni-lab.ts';
import { CriClient, type PodSpec } from '../support/cri-client.ts';
import { waitFor } from '../support/wait-for.ts';

/** A node of the lab with a containerd of its own. */
export class RuntimeNode {
  readonly node: LabNode;
  readonly containerd: Containerd;
  #cri: CriClient | undefined;

  constructor(node: LabNode, containerd: Containerd) {
    this.node = node;
    this.containerd = containerd;
  }

  /** The connection to the CRI. */
  get cri(): CriClient {
    this.#cri ??= new CriClient(this.containerd.socket);
    return this.#cri;
  }

  /** Waits until the runtime answers and says that its network is ready. */
  async ready(): Promise<void> {
    await waitFor(
      `containerd of ${this.node.name}`,
      async () => {
        this.disconnect();
        const problem = await this.cri.networkProblem();
        if (problem !== undefined) throw new Error(problem);
        return true;
      },
      30_000,
    );
  }

  disconnect(): void {
    this.#cri?.close();
    this.#cri = undefined;
  }

  /** Starts a pod with one container, which sleeps; commands are run in it. */
  async runPod(name: string, more: Partial<PodSpec> = {}): Promise<RunningPod> {
    const logDirectory = join(this.node.host.directory, 'pod-logs', name);
    mkdirSync(logDirectory, { recursive: true });
    const spec: PodSpec = { name, logDirectory, ...more };
    const sandboxId = await this.cri.runPodSandbox(spec);
    const { addresses } = await this.cri.podSandboxStatus(sandboxId);
    const containerId = await this.cri.startContainer(sandboxId, spec, labImage, ['/pause']);
    return new RunningPod(this, sandboxId, containerId, addresses);
  }
}

/** A pod that the runtime started. */
export class RunningPod {
  readonly on: RuntimeNode;
  readonly sandboxId: string;
  readonly containerId: string;
  readonly ipv4: string;
  readonly ipv6: string;

  constructor(on: RuntimeNode, sandboxId: string, containerId: string, addresses: readonly string[]) {
    this.on = on;
    this.sandboxId = sandboxId;
    this.containerId = containerId;
    this.ipv4 = addresses.find((address) => !address.includes(':')) ?? '';
    this.ipv6 = addresses.find((address) => address.includes(':')) ?? '';
  }

  /** Runs a command inside. @throws Error when it exits non-zero */
  async run(...command: string[]): Promise<string> {
    const result = await this.on.cri.execSync(this.containerId, command);
    if (result.exitCode === 0) return result.stdout;
    throw new Error(`${command.join(' ')}: exit ${result.exitCode}: ${result.stdout}${result.stderr}`);
  }

  /** @throws Error unless an echo request is answered */
  async ping(address: string): Promise<void> {
    await this.run('ping', '-n', '-c', '1', '-W', '2', address);
  }

  async remove(): Promise<void> {
    await this.on.cri.stopPodSandbox(this.sandboxId);
    await this.on.cri.removePodSandbox(this.sandboxId);
  }
}

/** Two nodes behind a ToR, each with podrouted and containerd. */
export class ContainerLab {
  readonly lab = new Lab('ctr');
  readonly nodes: RuntimeNode[] = [];
  /** The archive that the lab's image is loaded from. */
  imageArchive = '';

  /** Resolves once all sessions are up and both runtimes have image and network. */
  async start(): Promise<[RuntimeNode, RuntimeNode]> {
    buildPlugin();
    const directory = join(this.lab.directory, 'image');
    mkdirSync(directory);
    this.imageArchive = buildLabImage(directory);
    for (const node of buildTwoRacks(this.lab).nodes) {
      const places = installPlugins(node.host);
      this.nodes.push(new RuntimeNode(node, startContainerd(node.host, node.podroute.runDirectory, places)));
    }
    for (const each of this.nodes) {
      await each.ready();
      each.containerd.ctr('--namespace', 'k8s.io', 'images', 'import', this.imageArchive);
      each.containerd.ctr('images', 'import', this.imageArchive);
    }
    for (const { node } of this.nodes) await waitForPeers(node.podroute);
    const [one, two] = this.nodes;
    if (one === undefined || two === undefined) throw new Error('two nodes expected');
    return [one, two];
  }

  async close(): Promise<void> {
    for (const each of this.nodes) {
      each.disconnect();
      await each.containerd.close();
    }
    await this.lab.close();
  }
}
