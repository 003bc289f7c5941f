import { join } from 'node:path';
import type { Lab, LabHost, LabProcess } from './lab.ts';
import { CLUSTER_AS, type FabricHost, type FabricSize, LeafSpine } from './leaf-spine.ts';
import { type Podroute, startPodroute } from './podroute.ts';

/** Between packets of one sender. */
const INTERVAL_SECONDS = 0.05;

/** A pod of the cluster, with both its addresses. */
export interface ClusterPod {
  readonly name: string;
  readonly member: Member;
  readonly host: LabHost;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A host that runs podrouted. */
export interface Member extends FabricHost {
  readonly name: string;
  readonly podroute: Podroute;
}

/** A pair of pods of which the first did not get an answer. */
export interface Unanswered {
  readonly from: string;
  readonly to: string;
  readonly address: string;
}

/** What came back of packets that were sent while something happened. */
export interface Loss {
  readonly sent: number;
  readonly lost: number;
  /** What the pair that lost most lost, as time. */
  readonly longestSeconds: number;
}

/**
 * A cluster on a leaf-spine fabric: nodes and reflectors that know nothing of each other but the Redis that they share. What each has
 * in a file is who it is, its uplinks and where Redis is; everything else is in the store.
 */
export class ClusterLab {
  readonly #lab: Lab;
  readonly fabric: LeafSpine;
  readonly nodes: Member[] = [];
  readonly reflectors: Member[] = [];
  readonly pods: ClusterPod[] = [];
  #redis: LabProcess;

  /** Builds the fabric, starts Redis and podrouted everywhere. Nothing is applied yet. */
  constructor(lab: Lab, size: FabricSize) {
    this.#lab = lab;
    this.fabric = new LeafSpine(lab, size);
    this.#redis = this.#startRedis();
    for (const reflector of this.fabric.reflectors) this.reflectors.push(this.#startMember(reflector, true));
    for (const node of this.fabric.nodes) this.nodes.push(this.#startMember(node, false));
  }

  /** Nodes and reflectors. */
  get members(): readonly Member[] {
    return [...this.nodes, ...this.reflectors];
  }

  get redis(): LabProcess {
    return this.#redis;
  }

  /** Of redis-server itself. */
  get redisPid(): number {
    return this.#redis.pid;
  }

  restartRedis(): void {
    this.#redis = this.#startRedis();
  }

  /** One more node. */
  addNode(): Member {
    const member = this.#startMember(this.fabric.addNode(), false);
    this.nodes.push(member);
    return member;
  }

  /** Takes a node out of what is expected to work, with its pods. */
  forgetNode(member: Member): void {
    this.nodes.splice(this.nodes.indexOf(member), 1);
    const left = this.pods.filter((pod) => pod.member !== member);
    this.pods.splice(0, this.pods.length, ...left);
  }

  /** Makes a pod by calling the CNI plugin as a container runtime does. @throws Error with what the plugin said */
  addPod(member: Member, name: string): ClusterPod {
    const host = this.#lab.host(name);
    const result = member.podroute.cni('ADD', { id: name, netns: host.namespacePath });
    if (result.status !== 0) {
      throw new Error(`CNI ADD for ${name} on ${member.name}: exit ${result.status}: ${result.stdout}${result.stderr}`);
    }
    const { ips } = JSON.parse(result.stdout) as { ips: { address: string }[] };
    const address = (isIpv6: boolean) =>
      ips.find((ip) => ip.address.includes(':') === isIpv6)?.address.split('/')[0] ?? '';
    const pod = { name, member, host, ipv4: address(false), ipv6: address(true) };
    this.pods.push(pod);
    return pod;
  }

  /** Every pod pings every other one, IPv4 and IPv6, all senders at the same time. @returns pairs without an answer */
  async unanswered(pods: readonly ClusterPod[] = this.pods): Promise<Unanswered[]> {
    const all = await Promise.all(
      pods.map(async (from) => {
        const others = pods
          .filter((to) => to !== from)
          .flatMap((to) => [to.ipv4, to.ipv6].map((address) => ({ to, address })));
        const answers = await Promise.all(others.map(({ address }) => from.host.pingsAsync(address)));
        return others
          .filter((_, i) => answers[i] !== true)
          .map(({ to, address }) => ({ from: from.name, to: to.name, address }));
      }),
    );
    return all.flat();
  }

  /**
   * Each pod sends 20 packets a second to the next one while `happening` runs and until `isOver`.
   * @returns packets sent and lost, of all pairs together
   */
  async lossWhile(pods: readonly ClusterPod[], happening: () => Promise<void>): Promise<Loss> {
    const senders = pods.map((from, i) => {
      const to = pods[(i + 1) % pods.length] as ClusterPod;
      return this.#lab.startProcess(
        from.host,
        `ping-${i}`,
        ['ping', '-n', '-q', '-i', String(INTERVAL_SECONDS), to.ipv4],
        {},
      );
    });
    await happening();
    await Promise.all(senders.map((sender) => sender.stop('SIGINT')));
    let [sent, received, most] = [0, 0, 0];
    for (const sender of senders) {
      const counts = /(\d+) packets transmitted, (\d+) received/g;
      const last = [...sender.log().matchAll(counts)].at(-1);
      const [out, back] = [Number(last?.[1] ?? 0), Number(last?.[2] ?? 0)];
      sent += out;
      received += back;
      most = Math.max(most, out - back);
    }
    return { sent, lost: sent - received, longestSeconds: most * INTERVAL_SECONDS };
  }

  #startRedis(): LabProcess {
    const { host, ipv4 } = this.fabric.store;
    return host.start('redis', [
      'redis-server',
      ...['--bind', ipv4, '--port', '6379', '--protected-mode', 'no', '--save', '', '--appendonly', 'yes'],
      ...['--dir', host.directory],
    ]);
  }

  #startMember(at: FabricHost, isReflector: boolean): Member {
    const { name } = at.host;
    const text = localConfiguration(name, at, `redis://${this.fabric.store.ipv4}:6379`, isReflector);
    return { ...at, name, podroute: startPodroute(at.host, text) };
  }
}

/** What a member has in a file. A reflector's cluster id is common to all of them: each node is a client of every one. */
function localConfiguration(name: string, at: FabricHost, redis: string, isReflector: boolean): string {
  const labels = isReflector ? 'labels: { route-reflector: "true" }' : 'labels: {}';
  const cluster = isReflector ? '\n  routeReflectorClusterID: 10.255.2.1' : '';
  const uplink = (link: string) => `---
apiVersion: podroute.io/v1
kind: BGPPeer
metadata: { name: uplink-${link} }
spec: { node: ${name}, interface: ${link}, asNumber: external, holdTime: 9s, policy: { import: reject, export: own } }
`;
  return `apiVersion: podroute.io/v1
kind: Speaker
metadata: { name: default }
spec: { datastore: { redis: { url: "${redis}" } } }
---
apiVersion: podroute.io/v1
kind: Node
metadata: { name: ${name}, ${labels} }
spec:
  asNumber: ${CLUSTER_AS}
  ipv4Address: ${at.ipv4}/32
  ipv6Address: "${at.ipv6}/128"
  networks: [${at.ipv4}/32, "${at.ipv6}/128"]${cluster}
${uplink('eth0')}${uplink('eth1')}`;
}

/** What all members share: reflectors for everybody, and pools for the nodes. */
export const sharedConfiguration = `apiVersion: podroute.io/v1
kind: BGPConfiguration
metadata: { name: default }
spec: { nodeToNodeMeshEnabled: false, asNumber: ${CLUSTER_AS} }
---
apiVersion: podroute.io/v1
kind: BGPPeer
metadata: { name: reflectors }
spec: { nodeSelector: "all()", peerSelector: has(route-reflector), holdTime: 9s }
---
apiVersion: podroute.io/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.244.0.0/16, blockSize: 26, nodeSelector: "!has(route-reflector)" }
---
apiVersion: podroute.io/v1
kind: IPPool
metadata: { name: pods-v6 }
spec: { cidr: "fd00:10:244::/48", blockSize: 122, nodeSelector: "!has(route-reflector)" }
`;

/** Where a host of the lab keeps the file that `bgpctl apply` is given. */
export function writeShared(member: Member): string {
  member.host.write('cluster.yaml', sharedConfiguration);
  return join(member.host.directory, 'cluster.yaml');
}
