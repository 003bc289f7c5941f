/**
 * Writes iproute2.json: the netlink octets that iproute2 sends for a list of commands, and those the kernel answers its
 * listings with, read off by strace in a network namespace of its own. Needs root, iproute2 and strace; run it with
 * `node test/vectors/netlink/capture.ts` when a case is added.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const requests: readonly (readonly [name: string, command: string])[] = [
  ['route v4 by gateway', 'route add 10.1.0.0/16 via 10.0.0.2 proto 177 metric 1024'],
  ['route v4 default onlink', 'route add default via 192.0.2.1 dev v0 onlink proto 177'],
  ['route v4 to a link', 'route add 10.64.0.5/32 dev v0 scope link proto 178 src 10.0.0.1'],
  ['route v4 large table', 'route add 10.2.0.0/16 via 10.0.0.2 table 1000 proto 177'],
  ['route v4 blackhole', 'route add blackhole 10.3.0.0/24 proto 177 metric 4096'],
  ['route v4 unreachable', 'route replace unreachable 10.3.1.0/24 proto 177 metric 4096'],
  ['route v4 multipath', 'route add 10.4.0.0/16 proto 177 nexthop via 10.0.0.2 dev v0 weight 1 nexthop via 10.0.0.3 dev v0 weight 5 onlink'],
  ['route v4 via v6', 'route add 10.5.0.0/16 via inet6 fe80::2 dev v0 proto 177'],
  ['route v4 mtu', 'route add 10.6.0.0/16 via 10.0.0.2 mtu 1400 proto 177'],
  ['nexthop single', 'nexthop add id 5 via 10.0.0.2 dev v0 proto 177'],
  ['nexthop onlink', 'nexthop add id 6 via 192.0.2.7 dev v0 onlink proto 177'],
  ['nexthop v6', 'nexthop add id 7 via fe80::7 dev v0 proto 177'],
  ['nexthop blackhole', 'nexthop add id 8 blackhole proto 177'],
  ['nexthop group', 'nexthop add id 9 group 5,1/6,3 proto 177'],
  ['nexthop replace', 'nexthop replace id 5 via 10.0.0.9 dev v0 proto 177'],
  ['route v4 by nexthop id', 'route add 10.7.0.0/16 nhid 9 proto 177'],
  ['route v6 by gateway', '-6 route add fd01::/64 via fe80::2 dev v0 proto 177 metric 1024'],
  ['route v6 multipath', '-6 route add fd02::/64 proto 177 nexthop via fd00::2 weight 2 nexthop via fd00::3 weight 3'],
  ['route v6 blackhole', '-6 route add blackhole fd03::/64 proto 177 metric 4096'],
  ['route v6 to a link', '-6 route add fd04::5/128 dev v0 proto 178'],
  ['route v4 delete', 'route del 10.1.0.0/16 via 10.0.0.2 proto 177 metric 1024'],
  ['nexthop delete', 'nexthop del id 8'],
  ['address v4', 'address add 169.254.1.1/32 dev v0'],
  ['address v4 peer', 'address add 10.9.0.1 peer 10.9.0.2/32 dev v0'],
  ['address v6 nodad noprefixroute', 'address add fd00::9/64 dev v0 nodad noprefixroute'],
  ['address v6 delete', 'address del fd00::9/64 dev v0'],
  ['neighbour permanent', 'neigh replace 169.254.1.9 lladdr ee:ee:ee:ee:ee:ee dev v0 nud permanent'],
  ['neighbour proxy v6', '-6 neigh add proxy fd00::77 dev v0'],
  ['neighbour delete', 'neigh del 169.254.1.9 dev v0'],
  ['link veth', 'link add h0 mtu 1400 type veth peer name p0 mtu 1400'],
  ['link up', 'link set h0 up'],
  ['link mtu', 'link set h0 mtu 1450'],
  ['link address', 'link set h0 address ee:ee:ee:ee:ee:ee'],
  ['link delete', 'link del h0'],
];

const listings: readonly (readonly [name: string, command: string])[] = [
  ['routes v4', '-4 route show table all'],
  ['routes v6', '-6 route show table all'],
  ['nexthops', 'nexthop show'],
  ['addresses', 'address show dev v0'],
  ['neighbours v4', '-4 neigh show nud all'],
  ['proxies v6', '-6 neigh show proxy'],
  ['links', 'link show'],
];

const namespace = `capture${process.pid}`;

/** Octets of each call, from strace's hex dump. `call` is sendmsg or recvmsg; peeks carry no dump. */
function octetsOf(trace: string, call: string): string[] {
  const found: string[] = [];
  let wanted = false;
  for (const line of trace.split('\n')) {
    const dump = /^ \| [0-9a-f]+ {2}((?:[0-9a-f]{2} {1,2})+)/.exec(line);
    if (dump === null) {
      if (/^(sendmsg|sendto|recvmsg|recv)\(/.test(line)) {
        wanted = line.startsWith(call);
        if (wanted) found.push('');
      }
    } else if (wanted) {
      found[found.length - 1] += (dump[1] ?? '').replaceAll(' ', '');
    }
  }
  return found.filter((hex) => hex !== '');
}

function trace(command: string): string {
  const result = spawnSync(
    'strace',
    ['-e', 'trace=sendmsg,sendto,recvmsg', '-e', 'write=all', '-e', 'read=all', 'ip', '-n', namespace, ...command.split(' ')],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (result.status !== 0) throw new Error(`ip ${command}: ${result.stderr.slice(-2000)}`);
  return result.stderr;
}

execFileSync('ip', ['netns', 'add', namespace]);
try {
  for (const command of [
    'link set lo up',
    'link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02',
    'link set v0 up',
    'link set v1 up',
    'address add 10.0.0.1/24 dev v0',
    'address add fd00::1/64 dev v0 nodad',
  ]) {
    execFileSync('ip', ['-n', namespace, ...command.split(' ')]);
  }
  const indexOf = (name: string): number =>
    JSON.parse(execFileSync('ip', ['-n', namespace, '-j', 'link', 'show', name]).toString())[0].ifindex;
  const v0 = indexOf('v0');
  const captured = requests.map(([name, command]) => {
    const h0 = command.includes('h0') && !command.startsWith('link add') ? indexOf('h0') : undefined;
    const hex = octetsOf(trace(command), 'sendmsg').at(-1);
    return { name, command, ...(h0 === undefined ? {} : { h0 }), hex };
  });
  const answers = listings.map(([name, command]) => ({
    name,
    command,
    text: execFileSync('ip', ['-n', namespace, ...command.split(' ')]).toString().trimEnd().split('\n'),
    hex: octetsOf(trace(command), 'recvmsg'),
  }));
  const version = execFileSync('ip', ['-V']).toString().trim();
  const note = 'generated by test/vectors/netlink/capture.ts; little-endian machine';
  writeFileSync(
    new URL('iproute2.json', import.meta.url),
    `${JSON.stringify({ note, version, v0, requests: captured, answers }, null, 1)}\n`,
  );
} finally {
  execFileSync('ip', ['netns', 'del', namespace]);
}
