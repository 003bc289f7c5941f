import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.ts';

const isRoot = process.getuid?.() === 0;
const left = `pr-s${process.pid}a`;
const right = `pr-s${process.pid}b`;
const script = fileURLToPath(new URL('session-process.ts', import.meta.url));

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

/** Adds the two namespaces, joined by a veth pair whose ends are both called `up0`; gives the link-local address of each. */
function createNamespaces(): [string, string] {
  for (const name of [left, right]) {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }
  ip('-n', left, 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up0', 'netns', right);
  ip('-n', left, 'address', 'add', '192.0.2.1/30', 'dev', 'up0');
  ip('-n', right, 'address', 'add', '192.0.2.2/30', 'dev', 'up0');
  // Without duplicate address detection the link-local address is there at once.
  ip('-n', left, 'link', 'set', 'up0', 'addrgenmode', 'none', 'up');
  ip('-n', right, 'link', 'set', 'up0', 'addrgenmode', 'none', 'up');
  ip('-n', left, 'address', 'add', 'fe80::a/64', 'dev', 'up0', 'nodad');
  ip('-n', right, 'address', 'add', 'fe80::b/64', 'dev', 'up0', 'nodad');
  return ['fe80::a', 'fe80::b'];
}

/** A speaker in a namespace, with the lines it has written. */
class Speaker {
  readonly lines: Record<string, unknown>[] = [];
  readonly #child: ChildProcess;

  constructor(namespace: string, address: string, routerId: string, settings: object) {
    const argument = JSON.stringify({ address, routerId, settings });
    this.#child = spawn('ip', ['netns', 'exec', namespace, process.execPath, script, argument], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n')) {
        this.lines.push(JSON.parse(text.slice(0, at)) as Record<string, unknown>);
        text = text.slice(at + 1);
      }
    });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exit;
  }
}

describe.skipIf(!isRoot)('sessions between network namespaces', () => {
  let addresses: [string, string];
  beforeAll(() => {
    addresses = createNamespaces();
  });
  afterAll(() => {
    for (const name of [left, right]) ip('netns', 'delete', name);
  });

  test.each<{ name: string; both: object; v4?: boolean }>([
    { name: 'link-local addresses', both: {} },
    { name: 'link-local addresses with key and TTL security', both: { password: 'secret', ttlSecurityHops: 1 } },
    {
      name: 'IPv4 bound to an interface, with key and TTL security',
      both: { password: 'secret', ttlSecurityHops: 1 },
      v4: true,
    },
  ])('$name', async ({ both, v4 = false }) => {
    const [a, b] = v4 ? ['192.0.2.1', '192.0.2.2'] : addresses;
    const common = { device: 'up0', connectTimeoutSeconds: 1, connectRetrySeconds: 1, ...both };
    const speakers = [
      new Speaker(left, b, '1.0.0.1', { ...common, localAs: 65001, remoteAs: 65002 }),
      new Speaker(right, a, '1.0.0.2', { ...common, localAs: 65002, remoteAs: 65001 }),
    ];
    try {
      const families = ['ipv4-unicast', 'ipv6-unicast'];
      const expected = [
        { event: 'up', local: a, remote: b, families, ...(v4 ? {} : { device: 'up0' }) },
        { event: 'up', local: b, remote: a, families, ...(v4 ? {} : { device: 'up0' }) },
      ];
      await waitFor('both sessions', () => speakers.every(({ lines }) => lines.length > 0), 20_000);
      expect(speakers.map(({ lines }) => lines[0])).toMatchObject(expected);
    } finally {
      await Promise.all(speakers.map((speaker) => speaker.close()));
    }
  });

  test('one side closes: the other hears why', async () => {
    const [a, b] = addresses;
    const common = { device: 'up0', connectTimeoutSeconds: 1, connectRetrySeconds: 1 };
    const speaker = new Speaker(left, b, '1.0.0.1', { ...common, localAs: 65001, remoteAs: 65002 });
    const other = new Speaker(right, a, '1.0.0.2', { ...common, localAs: 65002, remoteAs: 65001 });
    try {
      await waitFor('the session', () => speaker.lines.length > 0 && other.lines.length > 0, 20_000);
      await other.close();
      await waitFor('the end', () => speaker.lines.some(({ event }) => event === 'down'));
    } finally {
      await Promise.all([speaker.close(), other.close()]);
    }
  });
});
