import { type ClientHttp2Session, connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { encodeMessage, type Message, mapEntries, ReadMessage } from './protobuf.ts';

/** A port of a pod that the node is to answer for. */
export interface HostPort {
  readonly containerPort: number;
  readonly hostPort: number;
  readonly protocol?: 'tcp' | 'udp';
}

/** A pod as kubelet describes it to the runtime. */
export interface PodSpec {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly ports?: readonly HostPort[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly logDirectory: string;
  readonly cgroupParent?: string;
}

/** What the runtime says about a pod. */
export interface PodStatus {
  readonly id: string;
  readonly isReady: boolean;
  /** IPv4 first where the pod has both. */
  readonly addresses: readonly string[];
}

/** What a command in a container gave. */
export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A call that the runtime refused. */
export class CriError extends Error {
  readonly status: number;

  constructor(method: string, status: number, message: string) {
    super(`${method}: ${message} (gRPC status ${status})`);
    this.name = 'CriError';
    this.status = status;
  }
}

/**
 * Speaks to a container runtime as kubelet does: the CRI (`runtime.v1.RuntimeService`) by gRPC over its Unix socket.
 * gRPC is HTTP/2 with each message behind five octets: compressed or not, and the length.
 */
export class CriClient {
  readonly #session: ClientHttp2Session;

  constructor(socketPath: string) {
    this.#session = connect('http://localhost', { createConnection: () => connectSocket(socketPath) });
    this.#session.on('error', () => {}); // Every call under way fails by itself.
  }

  /** What the runtime says to be wrong with its network; undefined when it is ready. */
  async networkProblem(): Promise<string | undefined> {
    const reply = await this.#call('Status', {});
    const condition = reply
      .message(1)
      .messages(1)
      .find((entry) => entry.text(1) === 'NetworkReady');
    return condition?.number(2) === 1 ? undefined : (condition?.text(4) ?? 'no condition NetworkReady');
  }

  /** @returns the sandbox's id, once its network is wired */
  async runPodSandbox(pod: PodSpec): Promise<string> {
    return (await this.#call('RunPodSandbox', { 1: sandboxConfig(pod) })).text(1);
  }

  async stopPodSandbox(id: string): Promise<void> {
    await this.#call('StopPodSandbox', { 1: id });
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.#call('RemovePodSandbox', { 1: id });
  }

  async podSandboxStatus(id: string): Promise<PodStatus> {
    const status = (await this.#call('PodSandboxStatus', { 1: id })).message(1);
    const network = status.message(5);
    const addresses = [network.text(1), ...network.messages(2).map((more) => more.text(1))];
    return { id: status.text(1), isReady: status.number(3) === 0, addresses: addresses.filter((text) => text !== '') };
  }

  /** @returns ids of all sandboxes */
  async listPodSandboxes(): Promise<string[]> {
    return (await this.#call('ListPodSandbox', {})).messages(1).map((pod) => pod.text(1));
  }

  /** Creates and starts a container in a pod. @returns its id */
  async startContainer(sandboxId: string, pod: PodSpec, image: string, command: readonly string[]): Promise<string> {
    const config: Message = {
      1: { 1: command[0]?.split('/').at(-1) ?? 'main' },
      2: { 1: image },
      3: [...command],
      9: mapEntries({ 'io.kubernetes.pod.name': pod.name }),
      11: 'main.log',
      // ping wants NET_RAW, which Kubernetes gives too.
      15: { 2: { 1: { 1: ['NET_RAW'] } } },
    };
    const id = (await this.#call('CreateContainer', { 1: sandboxId, 2: config, 3: sandboxConfig(pod) })).text(1);
    await this.#call('StartContainer', { 1: id });
    return id;
  }

  /** Runs a command in a container to its end. */
  async execSync(containerId: string, command: readonly string[], timeoutSeconds = 30): Promise<ExecResult> {
    const reply = await this.#call('ExecSync', { 1: containerId, 2: [...command], 3: timeoutSeconds });
    return { stdout: reply.text(1), stderr: reply.text(2), exitCode: reply.number(3) };
  }

  close(): void {
    this.#session.destroy();
  }

  #call(method: string, request: Message): Promise<ReadMessage> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': `/runtime.v1.RuntimeService/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      let status: number | undefined;
      let message = 'the connection ended';
      const readStatus = (headers: Record<string, unknown>): void => {
        if (headers['grpc-status'] === undefined) return;
        status = Number(headers['grpc-status']);
        message = decodeURIComponent(String(headers['grpc-message'] ?? ''));
      };
      stream.on('response', readStatus);
      stream.on('trailers', readStatus);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () => {
        if (status === 0) resolve(new ReadMessage(Buffer.concat(chunks).subarray(5)));
        else reject(new CriError(method, status ?? -1, message));
      });
      const body = encodeMessage(request);
      const head = Buffer.alloc(5);
      head.writeUInt32BE(body.length, 1);
      stream.end(Buffer.concat([head, body]));
    });
  }
}

/** `PodSandboxConfig` as kubelet fills it in. */
function sandboxConfig(pod: PodSpec): Message {
  const namespace = pod.namespace ?? 'default';
  const uid = pod.uid ?? `uid-${namespace}-${pod.name}`;
  return {
    1: { 1: pod.name, 2: uid, 3: namespace },
    2: pod.name,
    3: pod.logDirectory,
    4: { 1: ['10.96.0.10'], 2: [`${namespace}.svc.cluster.local`, 'svc.cluster.local'], 3: ['ndots:5'] },
    5: (pod.ports ?? []).map((port) => ({
      1: port.protocol === 'udp' ? 1 : 0,
      2: port.containerPort,
      3: port.hostPort,
    })),
    6: mapEntries({
      'io.kubernetes.pod.name': pod.name,
      'io.kubernetes.pod.namespace': namespace,
      'io.kubernetes.pod.uid': uid,
    }),
    7: mapEntries({ 'kubernetes.io/config.source': 'api', ...pod.annotations }),
    8: { 1: pod.cgroupParent ?? '', 2: { 1: { 2: 1 } } },
  };
}
