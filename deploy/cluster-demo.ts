/**
 * The larger demonstration (`make demo NODES=8 RACKS=2 RR=2`): a leaf-spine fabric of FRR routers, nodes that share one Redis, route
 * reflectors, address blocks claimed from pools, a pod on every node. Prints who reaches whom; then a node joins, one is lost, and a ToR,
 * a reflector and Redis are killed, with the packets that each cost. Exits non-zero when a ping stays unanswered.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ClusterLab, type Member, writeShared } from './lab/cluster.ts';
import { Lab } from './lab/lab.ts';
import { pullPlug } from './lab/leaf-spine.ts';
import { projectRoot } from './lab/podroute.ts';
import { bold, runDemonstration, show, step, until } from './lab/show.ts';

/** For how long traffic is watched after something was killed, in ms: longer than the hold time of 9 s. */
const OBSERVED_MS = 12_000;

/** A count from the environment. @throws Error when it is no number in range */
function count(name: string, fallback: number, min: number, max: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${name}=${text}: must be a whole number from ${min} to ${max}`);
  }
  return value;
}

async function demonstrate(lab: Lab): Promise<number> {
  const size = { nodes: count('NODES', 8, 2, 50), racks: count('RACKS', 2, 1, 8), reflectors: count('RR', 2, 1, 4) };
  step(
    'A leaf-spine fabric',
    `Two spines and ${size.racks} ToRs (FRR), ${size.nodes} nodes on two ToRs each, ${size.reflectors} reflectors and Redis on both spines: a namespace each.`,
  );
  const cluster = new ClusterLab(lab, size);
  const [first] = cluster.nodes as [Member];
  await until('every daemon answers', 60, () =>
    cluster.members.every(({ podroute }) => podroute.tryBgpctl('health').status === 0),
  );

  step(
    'What all share is applied once',
    'Reflectors for everybody and pools for nodes go into Redis; each daemon hears of it by itself.',
  );
  show('bgpctl apply -f cluster.yaml', first.podroute.bgpctl('apply', '-f', writeShared(first)));
  const took = await until('all sessions Established and a block of each family on every node', 60, () =>
    isWhole(cluster),
  );
  console.log(`All sessions are Established, and every node has its blocks, ${took.toFixed(1)} s later.\n`);
  show(`${first.name}$ bgpctl node`, first.podroute.bgpctl('node'));
  show(`${first.name}$ bgpctl show peers`, first.podroute.bgpctl('show', 'peers'));
  show(`${first.name}$ bgpctl ipam show`, first.podroute.bgpctl('ipam', 'show'));

  step(
    'A pod on every node',
    'Wired by calling the CNI plugin as a container runtime does. Then everybody pings everybody, IPv4 and IPv6.',
  );
  for (const node of cluster.nodes) cluster.addPod(node, `pod-${node.name}`);
  for (const pod of cluster.pods) console.log(`  ${pod.name}: ${pod.ipv4}, ${pod.ipv6}`);
  await green(cluster);
  await matrix(cluster);

  step('A node is added', 'It knows who it is, its uplinks and where Redis is.');
  const added = cluster.addNode();
  const joined = await until(`${added.name} has sessions and blocks`, 60, () => isWhole(cluster));
  cluster.addPod(added, `pod-${added.name}`);
  console.log(
    `${added.name} took ${joined.toFixed(1)} s from its start to its blocks. Everybody reaches its pod ${(await green(cluster)).toFixed(1)} s after it was made.`,
  );
  await matrix(cluster);

  const lost = cluster.nodes[1] as Member;
  cluster.forgetNode(lost);
  await kill(cluster, `A node is lost: ${lost.name}`, 'Plug pulled: its links go down and everything on it ends.', () =>
    pullPlug(lost.host),
  );
  await kill(
    cluster,
    'A ToR is killed: tor1',
    'Plug pulled. Nodes have a second ToR, and the spines another way.',
    () => {
      const [tor] = cluster.fabric.tors;
      if (tor !== undefined && size.racks > 1) pullPlug(tor.host);
      else console.log('(with a single rack there is no other way: left up)');
    },
  );
  await kill(
    cluster,
    'A reflector is killed: rr1',
    'kill -9 of its daemon. Each node has sessions to all of them.',
    async () => {
      if (size.reflectors > 1) await cluster.reflectors[0]?.podroute.process.stop('SIGKILL');
      else console.log('(with a single reflector nobody else tells the routes: left up)');
    },
  );
  await kill(
    cluster,
    'Redis is killed',
    'Nothing that runs depends on it, and a new pod gets an address of a block that its node has.',
    async () => {
      await cluster.redis.stop('SIGKILL');
      cluster.addPod(first, 'pod-late');
    },
  );
  console.log(`\n${bold('All pings were answered.')}`);
  return 0;
}

/**
 * Kills something under traffic that goes on for longer than any hold timer, waits until everybody reaches everybody again, and prints
 * what it cost.
 */
async function kill(
  cluster: ClusterLab,
  title: string,
  explanation: string,
  act: () => void | Promise<void>,
): Promise<void> {
  step(title, explanation);
  let seconds = 0;
  const loss = await cluster.lossWhile(cluster.pods, async () => {
    await delay(1000);
    await act();
    await delay(OBSERVED_MS);
    seconds = await green(cluster);
  });
  if (seconds > 1) console.log(`Green again ${(OBSERVED_MS / 1000 + seconds).toFixed(1)} s later.`);
  console.log(
    `${loss.lost} of ${loss.sent} packets between pods were lost; the pair that lost most was cut for ${loss.longestSeconds.toFixed(2)} s.`,
  );
  await matrix(cluster);
}

/** Waits until every pod reaches every other one. */
function green(cluster: ClusterLab): Promise<number> {
  return until('every ping answered', 60, async () => (await cluster.unanswered()).length === 0);
}

/** Prints who reaches whom. @throws Error when somebody does not */
async function matrix(cluster: ClusterLab): Promise<void> {
  const unanswered = await cluster.unanswered();
  const names = cluster.pods.map(({ name }) => name.replace('pod-', ''));
  const width = Math.max(...names.map((name) => name.length)) + 1;
  console.log(' '.repeat(width + 5) + names.map((name) => name.padStart(width)).join(''));
  for (const [i, from] of cluster.pods.entries()) {
    const cells = cluster.pods.map((to) => {
      if (to === from) return '-';
      const failed = unanswered.filter((pair) => pair.from === from.name && pair.to === to.name);
      if (failed.length === 0) return 'ok';
      return failed.map(({ address }) => (address.includes(':') ? '!6' : '!4')).join('');
    });
    console.log(`${(names[i] as string).padStart(width)} ->  ${cells.map((cell) => cell.padStart(width)).join('')}`);
  }
  if (unanswered.length > 0) throw new Error(`${unanswered.length} pings were not answered`);
}

/** Every session Established, and every node with a block of both families. */
function isWhole(cluster: ClusterLab): boolean {
  return (
    cluster.members.every(({ podroute }) => {
      const result = podroute.tryBgpctl('show', 'peers', '--json');
      if (result.status !== 0) return false;
      const { peers } = JSON.parse(result.stdout) as { peers: { name: string; state: string }[] };
      return peers.length > 2 && peers.every(({ state }) => state === 'Established');
    }) &&
    cluster.nodes.every(({ podroute }) => {
      const { blocks } = podroute.bgpctlJson<{ blocks: { prefix: string }[] }>('show', 'blocks');
      return [true, false].every((isIpv6) => blocks.some(({ prefix }) => prefix.includes(':') === isIpv6));
    })
  );
}

function howToEnter(lab: Lab): string {
  return [
    'The lab stays up (KEEP=1). Enter a host with:',
    ...lab.hosts.map((host) => `  ${host.name.padEnd(12)} nsenter --net=${host.namespacePath} sh`),
    `Ask a daemon: ${projectRoot}deploy/bin/bgpctl --socket ${lab.directory}/node1/run/podrouted.sock show routes`,
    'Take it down with: make demo-down',
  ].join('\n');
}

await runDemonstration(new Lab('demo'), demonstrate, howToEnter);
