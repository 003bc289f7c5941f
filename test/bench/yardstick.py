"""podroute as the device under test of the BGP yardstick: run it with `bench.py run a b c100 v6 --dut PATH/TO/yardstick.py,bird`."""
import os
import subprocess

NAME = 'podroute'
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NODE = os.path.join(ROOT, 'node_modules/.bin/node')


def version():
    node = subprocess.run([NODE, '--version'], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(['git', '-C', ROOT, 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    return f'podroute {commit}, Node {node}'


def start(ctx):
    """Everything is accepted and passed on, peers connect to us, the kernel is left alone unless the workload is about it."""
    family = 'ipv6' if ctx.v6 else 'ipv4'
    ipv6 = ', ipv6Address: "fd00::a00:1/64"' if ctx.v6 else ''
    is_reflector = any(n['type'] == 'rr' for n in ctx.neighbors)
    cluster = f', routeReflectorClusterID: {ctx.local_addr}' if is_reflector else ''
    documents = [
        f'apiVersion: podroute.io/v1\nkind: Node\nmetadata: {{ name: dut }}\n'
        f'spec: {{ asNumber: {ctx.local_as}, ipv4Address: {ctx.local_addr}/16{ipv6}{cluster} }}',
        f'apiVersion: podroute.io/v1\nkind: Speaker\nmetadata: {{ name: default }}\n'
        f'spec: {{ fib: {{ enabled: {str(bool(ctx.fib)).lower()} }}, cni: {{ enabled: false }}, log: {{ level: warn }} }}',
        'apiVersion: podroute.io/v1\nkind: BGPConfiguration\nmetadata: { name: default }\n'
        'spec: { nodeToNodeMeshEnabled: false }',
    ]
    for i, neighbor in enumerate(ctx.neighbors):
        client = ', routeReflectorClient: true' if neighbor['type'] == 'rr' else ''
        documents.append(
            f"apiVersion: podroute.io/v1\nkind: BGPPeer\nmetadata: {{ name: n{i} }}\n"
            f"spec: {{ peerIP: {neighbor['addr']}, asNumber: {neighbor['as']}, passive: true, holdTime: 240s, families: [{family}]{client},"
            f" policy: {{ import: accept, export: accept }} }}"
        )
    path = ctx.write('podroute.yaml', '\n---\n'.join(documents) + '\n')
    ctx.spawn([
        os.path.join(ROOT, 'deploy/bin/podrouted'), '--config', path, '--node', 'dut',
        '--run-dir', os.path.join(ctx.dir, 'run'), '--state-dir', os.path.join(ctx.dir, 'state'),
    ])
