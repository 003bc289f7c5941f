import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { installCni } from '../../cni/install.ts';
import { labImage } from './container-image.ts';
import { type CommandResult, type LabHost, type LabProcess, tryCommand } from './lab.ts';
import { projectRoot } from './podroute.ts';

/** Where Debian keeps the reference plugins. */
export const referencePlugins = '/usr/lib/cni';

/** Where a runtime of the lab finds plugins and network configurations. */
export interface CniPlaces {
  readonly binDirectory: string;
  readonly confDirectory: string;
}

/** A containerd of its own in one host of the lab. */
export interface Containerd extends CniPlaces {
  readonly host: LabHost;
  /** Its Unix socket: containerd's own services and the CRI. */
  readonly socket: string;
  /** The running daemon; another object after `restart`. */
  readonly process: LabProcess;
  /** Runs `ctr` against it. @throws Error when it exits non-zero */
  ctr(...words: string[]): string;
  tryCtr(...words: string[]): CommandResult;
  /** Starts the daemon again after it ended. */
  restart(): void;
  /** Ends it and everything its containers run, and unmounts what it mounted. */
  close(): Promise<void>;
}

/** Installs podroute and the reference plugins into directories of the host's own. */
export function installPlugins(host: LabHost): CniPlaces {
  const places = { binDirectory: join(host.directory, 'cni-bin'), confDirectory: join(host.directory, 'cni-net.d') };
  for (const path of Object.values(places)) mkdirSync(path, { recursive: true });
  for (const name of readdirSync(referencePlugins)) {
    copyFileSync(join(referencePlugins, name), join(places.binDirectory, name));
  }
  installCni({ plugin: join(projectRoot, 'build/podroute'), ...places });
  return places;
}

/**
 * Starts containerd in the host's network namespace, with its files below the host's directory.
 * @param runDirectory of the host's podrouted, where the plugin finds its socket
 */
export function startContainerd(host: LabHost, runDirectory: string, places: CniPlaces): Containerd {
  const base = join(host.directory, 'containerd');
  mkdirSync(base, { recursive: true });
  const socket = join(base, 'containerd.sock');
  const config = host.write('containerd.toml', configText(base, socket, places));
  const start = (): LabProcess =>
    host.start('containerd', ['containerd', '--config', config], { PODROUTE_SOCKET: join(runDirectory, 'cni.sock') });
  let daemon = start();
  const tryCtr = (...words: string[]): CommandResult =>
    host.try(['ctr', '--address', socket, ...words], { env: { PODROUTE_SOCKET: join(runDirectory, 'cni.sock') } });
  return {
    host,
    ...places,
    socket,
    get process() {
      return daemon;
    },
    ctr(...words) {
      const result = tryCtr(...words);
      if (result.status !== 0) throw new Error(`ctr ${words.join(' ')}: ${result.stderr || result.stdout}`);
      return result.stdout;
    },
    tryCtr,
    restart() {
      daemon = start();
    },
    async close() {
      await daemon.stop('SIGTERM');
      endTasks(join(base, 'state/io.containerd.runtime.v2.task'));
      host.killAll();
      unmountBelow(base);
    },
  };
}

function configText(base: string, socket: string, places: CniPlaces): string {
  const cri = '[plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = "${base}/root"
state = "${base}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.restart"]
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${base}/opt"
${cri}]
  sandbox_image = "${labImage}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_port = "0"
${cri}.cni]
  bin_dir = "${places.binDirectory}"
  conf_dir = "${places.confDirectory}"
${cri}.containerd]
  snapshotter = "${process.env['PODROUTE_SNAPSHOTTER'] ?? 'overlayfs'}"
  default_runtime_name = "runc"
${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
${cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
`;
}

/** Kills the first process of every container that still runs; the rest of its pid namespace goes with it. */
function endTasks(directory: string): void {
  if (!existsSync(directory)) return;
  for (const namespace of readdirSync(directory)) {
    for (const id of readdirSync(join(directory, namespace))) {
      const path = join(directory, namespace, id, 'init.pid');
      if (existsSync(path)) tryCommand(['kill', '-KILL', readFileSync(path, 'utf8').trim()]);
    }
  }
}

/** Takes away every mount at or below `directory`, the last one made first. */
export function unmountBelow(directory: string): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  for (const path of mounts.reverse()) {
    if (path === directory || path.startsWith(`${directory}/`)) tryCommand(['umount', '-l', path]);
  }
  rmSync(directory, { recursive: true, force: true });
}
