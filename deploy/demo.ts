/**
 * The demonstration: a top-of-rack router (FRR), two nodes running podrouted, two pods on each, all in network namespaces
 * of this machine. Shows what BGP learned, what the kernel holds and pods that ping each other; then a node whose daemon is
 * killed. Takes everything away again, also after an interrupt; KEEP=1 leaves it up. Exits non-zero when a ping fails.
 */
import { Lab } from './lab/lab.ts';
import { projectRoot } from './lab/podroute.ts';
import { bold, runDemonstration, show, step, until } from './lab/show.ts';
import { addPod, buildTwoRacks, type LabNode, type LabPod, type TwoRacks } from './lab/topology.ts';

function established(racks: TwoRacks): boolean {
  return racks.nodes.every((node) => {
    const result = node.podroute.tryBgpctl('show', 'peers', '--json');
    if (result.status !== 0) return false;
    const { peers } = JSON.parse(result.stdout) as { peers: { state: string }[] };
    return peers.length > 0 && peers.every((peer) => peer.state === 'Established');
  });
}

/** Every pair of pods on different nodes, both ways. Returns the number of pings that failed. */
function pingAll(pods: readonly LabPod[]): number {
  let failed = 0;
  for (const from of pods) {
    for (const to of pods) {
      if (from.node === to.node) continue;
      for (const address of [to.ipv4, to.ipv6]) {
        const isAnswered = address !== '' && from.host.pings(address, ['-c', '2', '-i', '0.2']);
        if (!isAnswered) failed += 1;
        console.log(
          `  ${from.name} (${from.node.name}) -> ${to.name} (${to.node.name}) ${address}: ${isAnswered ? 'ok' : 'FAILED'}`,
        );
      }
    }
  }
  return failed;
}

async function demonstrate(lab: Lab): Promise<number> {
  step(
    'A network of namespaces',
    'tor runs FRR in AS 65000; node1 (AS 64512) and node2 (AS 64513) run podrouted, each on a subnet of its own behind tor:\n' +
      '  pods 10.244.1.0/26 - node1 10.0.1.10 ---- 10.0.1.1 tor 10.0.2.1 ---- 10.0.2.10 node2 - 10.244.2.0/26 pods',
  );
  const racks = buildTwoRacks(lab);
  const [node1, node2] = racks.nodes as readonly [LabNode, LabNode];
  const took = await until('the BGP sessions Established', 30, () => established(racks));
  console.log(`Both sessions are Established ${took.toFixed(1)} s after the daemons were started.`);

  step(
    'Pods',
    'Two on each node, wired by calling the CNI plugin as a container runtime does: environment and standard input.',
  );
  const pods = racks.nodes.flatMap((node) =>
    ['a', 'b'].map((letter) => addPod(lab, node, `pod${node.index}${letter}`)),
  );
  for (const pod of pods) console.log(`  ${pod.name} on ${pod.node.name}: ${pod.ipv4}, ${pod.ipv6}`);
  await until("each node's routes to the other's pods in its kernel", 15, () =>
    racks.nodes.every((node) => [4, 6].every((version) => hasPodRoute(node, 3 - node.index, version as 4 | 6))),
  );

  step('What BGP knows', "node1's view, and the ToR's own.");
  show('bgpctl show peers', node1.podroute.bgpctl('show', 'peers'));
  show('bgpctl show routes', node1.podroute.bgpctl('show', 'routes'));
  show('bgpctl show pods', node1.podroute.bgpctl('show', 'pods'));
  show('tor# show bgp ipv4 unicast', racks.frr.vtysh('show bgp ipv4 unicast'));
  show('tor# show bgp ipv6 unicast', racks.frr.vtysh('show bgp ipv6 unicast'));

  step('What the kernel of node1 holds', 'Routes of protocol 177 came by BGP, 178 are the pods of this node.');
  show('ip route', node1.host.ip('route show'));
  show('ip -6 route', node1.host.ip('-6 route show'));

  step('Pods ping each other across the nodes', 'No encapsulation: the ToR forwards by the routes it learned.');
  let failed = pingAll(pods);

  step(
    'The daemon of node2 is killed (kill -9)',
    'Its kernel keeps every route, so its pods stay wired; but the BGP session is gone, and the ToR withdraws what node2 said.',
  );
  await node2.podroute.process.stop('SIGKILL');
  const gone = await until("node1's route to node2's pods withdrawn", 15, () => !hasPodRoute(node1, 2, 4));
  console.log(`node1 lost the route to node2's pods ${gone.toFixed(1)} s after the kill:\n`);
  show('node1$ ip route show proto 177', node1.host.ip('route show proto 177') || '(none)');
  show('node2$ ip route show proto 177', node2.host.ip('route show proto 177') || '(none)');
  show('node2$ ip route show proto 178', node2.host.ip('route show proto 178') || '(none)');

  step(
    'The daemon of node2 comes back',
    'It adopts what it finds in the kernel, and the pods it wired before are reachable again.',
  );
  node2.podroute.restart();
  const back = await until(
    'both nodes hold their routes again',
    30,
    () =>
      established(racks) &&
      racks.nodes.every((node) => hasPodRoute(node, 3 - node.index, 4) && hasPodRoute(node, 3 - node.index, 6)),
  );
  console.log(`Routes are back ${back.toFixed(1)} s after the restart.`);
  failed += pingAll(pods);

  if (failed > 0) console.log(`\n${failed} pings failed.`);
  else console.log(`\n${bold('All pings were answered.')}`);
  return failed === 0 ? 0 : 1;
}

/** True when the kernel of `node` has a BGP route to the pod block of rack `rack`. */
function hasPodRoute(node: LabNode, rack: number, version: 4 | 6): boolean {
  const block = version === 4 ? `10.244.${rack}.0/26` : `fd00:10:244:${rack}::/122`;
  return node.host
    .ipJson<{ dst: string }>(`-${version} route show proto 177`)
    .some((route) => route.dst === block && !('type' in route && route.type !== 'unicast'));
}

function howToEnter(lab: Lab): string {
  const hosts = lab.hosts.map((host) => `  ${host.name.padEnd(8)} nsenter --net=${host.namespacePath} sh`);
  const node1 = lab.hosts.find((host) => host.name === 'node1');
  return [
    'The lab stays up (KEEP=1). Enter a host with:',
    ...hosts,
    'Ask a daemon, from any of them:',
    `  ${projectRoot}deploy/bin/bgpctl --socket ${node1?.directory}/run/podrouted.sock show routes`,
    `  vtysh --vty_socket ${lab.directory}/tor/frr`,
    'Take it down with: make demo-down',
  ].join('\n');
}

await runDemonstration(new Lab('demo'), demonstrate, howToEnter);
