import { join } from 'node:path';
import { formatIp, formatPrefix, ip } from 'bgp-ts';
import { NetlinkWiring } from '../cni/netlink-wiring.ts';
import { CniServer } from '../cni/server.ts';
import type { DesiredPeer, DesiredState } from '../config/desired-state.ts';
import { diffStates } from '../config/diff.ts';
import { ConfigurationError, type ConfigurationSource, readConfiguration } from '../config/read.ts';
import { type SharedNode, sharedNode } from '../config/shared.ts';
import { readInterfaceAddresses } from '../fib/interface-addresses.ts';
import { NetlinkKernel } from '../fib/netlink-kernel.ts';
import { NextHopTable } from '../fib/next-hop-table.ts';
import type { HealthReply, ReloadReply } from '../lib/api.ts';
import { type Clock, systemClock, type TimerHandle } from '../lib/clock.ts';
import type { Logger, LogLevel } from '../lib/log.ts';
import { errorMessage } from '../lib/result.ts';
import { version } from '../lib/version.ts';
import { TurnMeter } from '../native/index.ts';
import { Rib } from '../rib/rib.ts';
import type { RibPeerSettings } from '../rib/types.ts';
import { ControlError } from './api/control-surface.ts';
import type { PeerFacts } from './api/peer-view.ts';
import { ApiServer } from './api/server.ts';
import { dynamicRule, liveState, natPools, PolicySet, peerSettings, unnumberedRule } from './apply-config.ts';
import { NodeAddresses } from './cluster/addresses.ts';
import { type ClaimedBlock, ClusterBlocks, cniBlocks, withClaimed } from './cluster/blocks.ts';
import type { Cluster } from './cluster/cluster.ts';
import { namedSource, openCluster, stateDirectoryOf, withCopy } from './cluster/start.ts';
import { clusterSurface } from './cluster/surface.ts';
import { Control } from './control.ts';
import { blockReadings, kernelCheck, peerFacts, podReading } from './daemon-readings.ts';
import { eventLoopDelay } from './event-loop.ts';
import { forwardingReading, joinKernel, type Kernel } from './kernel.ts';
import { createLinkNeighbours } from './link-neighbours.ts';
import type { ListenAddress } from './listener.ts';
import { LocalAddresses } from './local-addresses.ts';
import { OwnRoutes } from './own-routes.ts';
import { Speaker } from './speaker.ts';
import { createTcpTransport } from './transport.ts';
import { UpdateOut } from './update-out.ts';
import { WarmUp } from './warm-up.ts';
import { WorkLoop } from './work-loop.ts';

/** How a daemon is started. */
export interface DaemonOptions {
  readonly source: ConfigurationSource;
  /** Directory of the Unix sockets, in place of what the configuration says. */
  readonly runDirectory?: string;
  /** Directory of what outlives a restart, in place of what the configuration says. */
  readonly stateDirectory?: string;
  /** The log, at the level the configuration asks for. */
  createLog(level: LogLevel): Logger;
}

/** Selections handed to the kernel in one slice. */
const FIB_BATCH = 4096;

/**
 * How long after the start kernel routes of an earlier run are kept without anybody announcing them again: a peer that is
 * down must not hold them for ever.
 */
const SWEEP_DEADLINE_MS = 60_000;

/** All parts of podrouted, joined: sessions, RIB, kernel routes, pods, control API. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #log: Logger;
  readonly #clock: Clock = systemClock;
  readonly #startedMs: number;
  readonly #policies = new PolicySet();
  readonly #rib: Rib;
  readonly #speaker: Speaker;
  readonly #loop: WorkLoop;
  readonly #kernel: Kernel | undefined;
  readonly #own: OwnRoutes;
  readonly #cni: CniServer | undefined;
  readonly #api: ApiServer;
  readonly #turns = new TurnMeter();
  readonly #cluster: Cluster | undefined;
  readonly #addresses: NodeAddresses;
  #blocks: ClusterBlocks | undefined;
  /** What the configuration says. */
  #desired: DesiredState;
  /** The same with the blocks that this node claimed. */
  #state: DesiredState;
  #claimed: readonly ClaimedBlock[] = [];
  /** Why what the cluster shares is not in force. */
  #sharedProblem: string | undefined;
  /** Reloads happen one after the other, so that the last one read is the last one applied. */
  #reloading: Promise<unknown> = Promise.resolve();
  /** Addresses of this machine, as read last. */
  #local: LocalAddresses;
  #sweepTimer: TimerHandle | undefined;
  #warmUp: WarmUp | undefined;
  #isSwept = false;
  /** The RIB has rows that are not decided yet. */
  #isDeciding = false;
  /** Selected routes wait to be handed to the kernel. */
  #isFeeding = false;
  #isListening = false;
  #stopped: Promise<void> | undefined;

  /**
   * Reads the configuration, opens the kernel and all sockets, starts the peers.
   * @throws ConfigurationError with every problem of the configuration; Error when a socket or the kernel is out of reach
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const written = await readConfiguration(options.source);
    const log = options.createLog(written.state.log.level);
    const stateDirectory = stateDirectoryOf(options.stateDirectory, written.state);
    const addresses = new NodeAddresses({ state: written.state, stateDirectory, log });
    const source = { ...namedSource(options.source, written.state), detected: addresses.detected };
    const files = addresses.isAny ? await readConfiguration(source) : written;
    let daemon: Daemon | undefined;
    const cluster = await openCluster(files.state, {
      stateDirectory,
      log,
      self: () => daemon?.registration() ?? sharedNode(files.state.node),
      changed: () => daemon?.sharedChanged(),
      registered: () => daemon?.registered(),
    });
    const { state, warnings } = await withCopy(source, files, cluster, log);
    for (const warning of warnings) log.warn('configuration', { warning });
    const kernelRoutes = state.fib.enabled ? await NetlinkKernel.open({ log }) : undefined;
    daemon = new Daemon({ ...options, source }, state, log, kernelRoutes, cluster, addresses);
    try {
      await daemon.#start();
    } catch (error) {
      // What the kernel holds may be another daemon's, the one that keeps this one from starting.
      await daemon.#stop({ keepRoutes: true });
      throw error;
    }
    return daemon;
  }

  private constructor(
    options: DaemonOptions,
    state: DesiredState,
    log: Logger,
    kernelRoutes: NetlinkKernel | undefined,
    cluster: Cluster | undefined,
    addresses: NodeAddresses,
  ) {
    this.#options = options;
    this.#desired = state;
    this.#state = state;
    this.#cluster = cluster;
    this.#addresses = addresses;
    this.#log = log;
    this.#startedMs = this.#clock.wallMs();
    const local = readLocalAddresses();
    this.#local = local;
    const nextHops =
      kernelRoutes && new NextHopTable(kernelRoutes, { table: MAIN_TABLE, ownProtocols: [state.fib.protocol] });
    this.#rib = new Rib(
      {
        localAs: state.node.asn,
        ...(state.node.confederationId === undefined ? {} : { confederationId: state.node.confederationId }),
        routerId: state.node.routerId,
        ...(state.node.clusterId === undefined ? {} : { clusterId: state.node.clusterId }),
        multipath: state.bgp.multipath,
        nextHops: {
          resolve: (address, device) =>
            nextHops?.resolve(address, device === undefined ? undefined : nextHops.linkIndex(device)) ?? {
              reachable: true,
              metric: 0,
            },
          describe: (address, device) =>
            nextHops?.explain(address, device === undefined ? undefined : nextHops.linkIndex(device)) ??
            'not looked up: this speaker writes no kernel routes',
        },
        nowMs: () => this.#clock.nowMs(),
        ownAddresses: local.all(),
        feedsFib: kernelRoutes !== undefined,
      },
      {
        workArrived: () => this.#loop.wake(),
        nextHopSetFreed: (id) => this.#kernel?.forwarding.forget(id),
        prefixLimitWarning: (peer, family, count, limit) =>
          log.warn('prefix limit', { peer, family, count, limit, action: 'none' }),
        familyDisabled: (peer, family, reason) => log.warn('family disabled', { peer, family, reason }),
        noNextHopSelf: (peers, family) =>
          log.warn('routes not advertised', {
            peers,
            family,
            reason: 'no own address of this family to name as next hop',
          }),
      },
    );
    this.#kernel =
      kernelRoutes &&
      nextHops &&
      joinKernel({
        routes: kernelRoutes,
        nextHops,
        settings: state.fib,
        selectedHops: (id) => this.#rib.nextHopSet(id),
        clock: this.#clock,
        log,
      });
    this.#own = new OwnRoutes({ rib: this.#rib, fib: this.#kernel?.fib });
    const updateOut = new UpdateOut(this.#rib);
    const decide = {
      work: (budgetMs: number) => {
        this.#isDeciding = this.#rib.work(budgetMs);
        return this.#isDeciding;
      },
    };
    this.#loop = new WorkLoop(this.#clock, [
      decide,
      updateOut,
      { work: () => this.#speaker.work() },
      { work: () => this.#feedKernel() },
    ]);
    this.#speaker = new Speaker({
      clock: this.#clock,
      log,
      transport: createTcpTransport(this.#clock),
      rib: this.#rib,
      updateOut,
      ribSettings: (name) => this.#ribSettings(name),
      deviceTowards: ({ remoteAddress, device }) => this.#local.linkTowards(remoteAddress, device)?.interfaceName,
      neighbours: createLinkNeighbours(this.#clock),
      wake: () => this.#loop.wake(),
    });
    this.#cni = state.cni.enabled ? this.#makeCni() : undefined;
    this.#api = new ApiServer({
      surface: this.#makeControl(),
      socketPath: this.#runPath('podrouted.sock', state.api.socketPath),
      clock: this.#clock,
      log,
    });
  }

  /**
   * Reads the configuration again and applies the difference, or with `dryRun` only tells it.
   * @throws ConfigurationError when it has problems, ControlError when it makes another speaker of this one (AS number, router id);
   * then the running configuration stays in force
   */
  reload(dryRun: boolean): Promise<ReloadReply> {
    const done = this.#reloading.then(() => this.#reload(dryRun));
    this.#reloading = done.catch(() => undefined);
    return done;
  }

  async #reload(dryRun: boolean): Promise<ReloadReply> {
    const { state, warnings } = await readConfiguration(this.#options.source, this.#cluster?.shared());
    const changes = diffStates(this.#desired, state);
    const reply: ReloadReply = {
      applied: !dryRun,
      changes: changes.map(({ action, kind, name, detail, effect }) => ({ action, kind, name, detail, effect })),
      resets: changes.filter(({ effect, kind }) => effect === 'reset' && kind === 'peer').map(({ name }) => name),
      warnings: warnings.map((message) => ({ message })),
    };
    if (dryRun || this.#stopped !== undefined) return { ...reply, applied: false };
    const identity = changes.find(({ kind, effect }) => kind === 'node' && effect === 'restart');
    if (identity !== undefined) {
      const what = `${identity.name}: ${identity.detail ?? 'changed'}`;
      throw new ControlError('refused', `${what}: only a new start of the daemon applies this; nothing was changed`);
    }
    this.#apply(liveState(this.#desired, state));
    this.#log.info('reloaded', { changes: changes.length, resets: reply.resets });
    return reply;
  }

  /** Ends sessions with Cease/Administrative Shutdown, keeps or removes kernel routes as configured; pods stay as they are. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop({ keepRoutes: this.#state.fib.keepRoutes });
    return this.#stopped;
  }

  async #start(): Promise<void> {
    const { node } = this.#state;
    if (this.#kernel !== undefined) {
      await this.#kernel.nextHops.start();
      this.#kernel.nextHops.onChange((address) => this.#nextHopChanged(address));
      await this.#kernel.fib.start();
      this.#sweepTimer = this.#clock.setTimer(SWEEP_DEADLINE_MS, () => this.#sweep());
    }
    if (this.#cni !== undefined) {
      this.#cni.setBlocks(cniBlocks(this.#state, this.#claimed));
      await this.#cni.start();
      if (this.#cluster !== undefined && this.#state.datastore.place.type !== 'default') {
        this.#blocks = this.#makeBlocks(this.#cluster, this.#cni);
      }
    }
    this.#applyRoutes(this.#state);
    this.#own.applyGateways(undefined, this.#state);
    this.#kernel?.nat.setPools(natPools(this.#state));
    this.#listen();
    this.#policies.replace(this.#state.policies);
    const local = readLocalAddresses();
    for (const peer of numbered(this.#state)) {
      this.#speaker.addPeer(peerSettings(this.#state, peer, this.#policies, local));
    }
    this.#applyUnnumberedPeers(this.#state);
    this.#applyDynamicPeers(this.#state, local);
    await this.#api.start();
    this.#blocks?.setPools(this.#state.pools);
    this.#blocks?.start();
    this.#cluster?.start();
    this.#warmUp = new WarmUp(this.#clock, () => !this.#speaker.hasSession());
    this.#log.info('started', {
      version,
      node: node.name,
      asn: node.asn,
      routerId: formatIp(node.routerId),
      peers: this.#state.peers.length,
      blocks: this.#state.blocks.map(({ prefix }) => formatPrefix(prefix)),
    });
  }

  async #stop({ keepRoutes }: { readonly keepRoutes: boolean }): Promise<void> {
    this.#sweepTimer?.clear();
    this.#warmUp?.stop();
    await this.#api.close();
    this.#blocks?.close();
    await this.#cluster?.close();
    this.#turns.close();
    await this.#cni?.close();
    this.#speaker.close('shutdown');
    this.#loop.close();
    if (this.#kernel === undefined) return;
    this.#kernel.nat.close();
    this.#kernel.nextHops.close();
    await this.#kernel.fib.close({ keepRoutes });
    await this.#kernel.routes.close();
  }

  #makeCni(): CniServer {
    const { cni } = this.#state;
    return new CniServer({
      socketPath: this.#runPath('cni.sock', cni.socketPath),
      statePath:
        this.#options.stateDirectory === undefined ? cni.statePath : join(this.#options.stateDirectory, 'state.db'),
      wiring: new NetlinkWiring({ clock: this.#clock }),
      clock: this.#clock,
      log: this.#log,
      coolDownSeconds: this.#state.ipam.cooldownSeconds,
      handlers: {
        blockUnused: () => this.#clock.defer(() => this.#applyRoutes(this.#state)),
        moreAddresses: async () => (await this.#blocks?.more()) ?? false,
        podAdded: () => this.#blocks?.used(),
        podRemoved: () => this.#blocks?.used(),
        busy: (isBusy) => {
          this.#loop.hold(isBusy);
          this.#kernel?.routes.giveWay(isBusy);
        },
      },
      ...(cni.mtu === undefined ? {} : { mtu: cni.mtu }),
    });
  }

  #makeBlocks(cluster: Cluster, cni: CniServer): ClusterBlocks {
    const { node, datastore } = this.#state;
    return new ClusterBlocks({
      store: cluster.store,
      node: node.name,
      stateDirectory: stateDirectoryOf(this.#options.stateDirectory, this.#state),
      clock: this.#clock,
      log: this.#log,
      ipam: () => this.#state.ipam,
      graceSeconds: datastore.graceSeconds,
      held: () => cni.pods().flatMap(({ addresses }) => addresses),
      fill: () => cni.blocks().filter(({ retired }) => !retired),
      setClaimed: (blocks) => this.#setClaimed(blocks),
    });
  }

  #setClaimed(blocks: readonly ClaimedBlock[]): void {
    this.#claimed = blocks;
    this.#state = withClaimed(this.#desired, blocks);
    this.#cni?.setBlocks(cniBlocks(this.#state, blocks));
    this.#applyRoutes(this.#state);
    this.#loop.wake();
  }

  /** What the cluster shares is another than before: the same as a reload, and what does not fit leaves everything as it is. */
  sharedChanged(): void {
    this.reload(false).then(
      () => {
        this.#sharedProblem = undefined;
      },
      (error: unknown) => {
        this.#sharedProblem = error instanceof ConfigurationError ? error.lines.join('; ') : errorMessage(error);
        this.#log.error('what the cluster shares is not applied', { problem: this.#sharedProblem });
      },
    );
  }

  /** This node is registered, perhaps anew after the store lost it. */
  registered(): void {
    this.#blocks?.registered();
  }

  /** What this node tells the others about itself. */
  registration(): SharedNode {
    return sharedNode(this.#desired.node);
  }

  #runPath(name: string, configured: string): string {
    return this.#options.runDirectory === undefined ? configured : join(this.#options.runDirectory, name);
  }

  #listen(): void {
    const { listenAddresses, listenPort } = this.#state.bgp;
    const wildcards = [ip('0.0.0.0'), ip('::')];
    const addresses = listenAddresses.length > 0 ? listenAddresses : wildcards;
    for (const address of addresses) {
      const at: ListenAddress = { address, port: listenPort };
      try {
        this.#speaker.listen([at]);
      } catch (error) {
        // A machine without IPv6 has no :: to listen on; an address that was asked for by name must be there.
        if (listenAddresses.length > 0 || address.version === 4) throw error;
        this.#log.warn('not listening', { address: formatIp(address), reason: errorMessage(error) });
      }
    }
    this.#isListening = true;
  }

  /** Brings everything to `state`, with as little disturbance as the difference allows. */
  #apply(desired: DesiredState): void {
    const before = this.#state;
    this.#desired = desired;
    this.#state = withClaimed(desired, this.#claimed);
    const state = this.#state;
    this.#policies.replace(state.policies);
    this.#cni?.setBlocks(cniBlocks(state, this.#claimed));
    this.#blocks?.setPools(state.pools);
    this.#cluster?.registrar.update();
    this.#applyRoutes(state);
    this.#own.applyGateways(before, state);
    this.#kernel?.nat.setPools(natPools(state));
    if (JSON.stringify(before.fib.neverInstall) !== JSON.stringify(state.fib.neverInstall)) this.#rib.resendSelected();
    const local = this.#readLocal();
    const wanted = new Map(numbered(state).map((peer) => [peer.name, peer]));
    for (const { name } of numbered(before)) if (!wanted.has(name)) this.#speaker.removePeer(name);
    this.#applyUnnumberedPeers(state);
    const known = new Set(numbered(before).map(({ name }) => name));
    for (const peer of numbered(state)) {
      const settings = peerSettings(state, peer, this.#policies, local);
      if (known.has(peer.name)) this.#speaker.updatePeer(settings);
      else this.#speaker.addPeer(settings);
    }
    this.#applyDynamicPeers(state, local);
    this.#loop.wake();
  }

  #applyUnnumberedPeers(state: DesiredState): void {
    const unnumbered = state.peers.filter((peer) => peer.unnumbered);
    this.#speaker.setUnnumberedRules(
      unnumbered.map((peer) => unnumberedRule(state, peer, this.#policies, () => this.#readLocal())),
    );
  }

  #applyDynamicPeers(state: DesiredState, local: LocalAddresses): void {
    this.#speaker.setDynamicRules(state.dynamicPeers.map((rule) => dynamicRule(state, rule, this.#policies, local)));
  }

  /**
   * What the tables are to know of a peer whose session begins. The addresses are read again: this daemon may have been started before the
   * interface towards the peer had its own, or its carrier.
   */
  #ribSettings(name: string): RibPeerSettings | undefined {
    const local = this.#readLocal();
    if (!local.equals(this.#local)) this.#rib.setOwnAddresses(local.all());
    this.#local = local;
    const peer = this.#state.peers.find((candidate) => candidate.name === name);
    if (peer !== undefined) {
      const address = this.#speaker.unnumberedRuleOf(name)?.address ?? peer.address;
      return peerSettings(this.#state, { ...peer, address }, this.#policies, local).rib;
    }
    const rule = this.#speaker.dynamicRuleOf(name);
    const dynamic = this.#state.dynamicPeers.find((candidate) => candidate.name === rule);
    const address = this.#speaker.find(name)?.peer.settings.address;
    if (dynamic === undefined || address === undefined) return undefined;
    return dynamicRule(this.#state, dynamic, this.#policies, local).settings(address).rib;
  }

  /** The addresses of this machine now; where the kernel cannot be asked, those that it had before. */
  #readLocal(): LocalAddresses {
    try {
      return readLocalAddresses();
    } catch (error) {
      this.#log.warn('own addresses not read', { reason: errorMessage(error) });
      return this.#local;
    }
  }

  /** Brings what this node originates, and the discard routes under it, to what `state` says. */
  #applyRoutes(state: DesiredState): void {
    const retired = (this.#cni?.blocks() ?? []).filter((block) => block.retired).map(({ prefix }) => prefix);
    this.#own.apply(state, retired);
    this.#kernel?.forwarding.setNeverInstalled(state.fib.neverInstall);
  }

  #feedKernel(): boolean {
    if (this.#kernel === undefined) return false;
    const left = this.#rib.takeSelected(FIB_BATCH, this.#kernel.forwarding);
    this.#isFeeding = left > 0;
    if (left === 0) this.#sweepIfConverged();
    return left > 0;
  }

  #nextHopChanged(address: Parameters<Rib['nextHopChanged']>[0]): void {
    if (this.#kernel?.forwarding.resolveAgain() === true) this.#rib.resendSelected();
    this.#rib.nextHopChanged(address);
    this.#loop.wake();
  }

  /** Orphans of an earlier run go once every peer has told all it has: until then they may be routes that are about to be heard. */
  #sweepIfConverged(): void {
    if (this.#isSwept || this.#isDeciding || this.#state.peers.length === 0) return;
    const isDone = this.#speaker.peers().every(({ peer, updateIn }) => {
      const families = peer.session?.negotiated.families;
      return families !== undefined && [...families].every((family) => updateIn?.endOfRibReceived(family) === true);
    });
    if (isDone) this.#sweep();
  }

  #sweep(): void {
    this.#isSwept = true;
    this.#sweepTimer?.clear();
    this.#kernel?.fib.sweep();
  }

  #makeControl(): Control {
    return new Control({
      cluster: clusterSurface({
        clock: this.#clock,
        source: this.#options.source,
        cluster: this.#cluster,
        cni: this.#cni,
        addresses: this.#addresses,
        state: () => this.#state,
        blocks: () => this.#blocks,
        claimed: () => this.#claimed.map(({ prefix }) => prefix),
      }),
      clock: this.#clock,
      startedMs: this.#startedMs,
      rib: this.#rib,
      speaker: this.#speaker,
      node: () => {
        const { name, asn, routerId } = this.#state.node;
        return { name, asn, routerId: formatIp(routerId) };
      },
      peerFacts: (name) => this.#peerFacts(name),
      forwarding: this.#kernel && {
        ...forwardingReading(this.#kernel, this.#state),
        isConverged: () => !this.#isDeciding && !this.#isFeeding,
      },
      pods: () => (this.#cni?.pods() ?? []).map(podReading),
      blocks: () => blockReadings(this.#cni?.blocks() ?? [], this.#state, this.#own.discarded),
      reload: (dryRun) => this.#reloadForApi(dryRun),
      health: () => this.#health(),
      eventLoop: { delay: () => eventLoopDelay(this.#turns.read()), reset: () => this.#turns.reset() },
      wake: () => this.#loop.wake(),
    });
  }

  async #reloadForApi(dryRun: boolean): Promise<ReloadReply> {
    try {
      return await this.reload(dryRun);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      throw new ControlError('invalid-config', error.message, error.problems.map(apiProblem));
    }
  }

  #peerFacts(name: string): PeerFacts {
    const rule = this.#speaker.dynamicRuleOf(name);
    const configured = this.#state.peers.find((candidate) => candidate.name === name);
    const peer = configured ?? this.#state.dynamicPeers.find((candidate) => candidate.name === rule);
    if (peer === undefined) throw ControlError.notFound('peer', name);
    return peerFacts(peer, configured?.description);
  }

  /** Whether this daemon's own job is done; never a function of one remote peer. */
  #health(): HealthReply {
    const checks: HealthReply['checks'] = [
      { name: 'configuration', ok: true },
      { name: 'listening', ok: this.#isListening },
    ];
    if (this.#sharedProblem !== undefined) {
      checks.push({ name: 'cluster configuration', ok: false, detail: this.#sharedProblem });
    }
    if (this.#kernel !== undefined) {
      checks.push(kernelCheck(this.#kernel.fib.counters));
      const { problem } = this.#kernel.nat;
      if (problem !== undefined) checks.push({ name: 'natOutgoing', ok: false, detail: problem });
    }
    return { ready: checks.every(({ ok }) => ok), checks };
  }
}

const MAIN_TABLE = 254;

/** The peers that have an address in the configuration. */
function numbered(state: DesiredState): DesiredPeer[] {
  return state.peers.filter((peer) => !peer.unnumbered);
}

function readLocalAddresses(): LocalAddresses {
  return new LocalAddresses(readInterfaceAddresses());
}

function apiProblem(problem: ConfigurationError['problems'][number]) {
  return {
    message: problem.message,
    file: problem.file,
    path: problem.path,
    ...(problem.document === undefined ? {} : { document: problem.document }),
  };
}
