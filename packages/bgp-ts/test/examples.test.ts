import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const file = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** Runs an example as the README says; its lines. */
function run(name: string): string[] {
  const output = execFileSync(process.execPath, [file(`examples/${name}.ts`)], { encoding: 'utf8', timeout: 15_000 });
  return output.trimEnd().split('\n');
}

describe('examples', () => {
  test('build-update: the octets, field by field', () => {
    const marker = 'ff'.repeat(16);
    expect(run('build-update')).toEqual([
      // length, type, withdrawn; attributes: ORIGIN, AS_PATH, NEXT_HOP, COMMUNITIES; two prefixes
      `IPv4, 66 octets: ${marker}00420200000023${'40010100'}${'40020a02020000fc00fa56ea01'}${'400304c0000201'}${'c00808fc000050ffffff01'}18c6336418cb0071`,
      // MP_REACH_NLRI: AFI, SAFI, next hop, reserved, path identifier, prefix; ORIGIN, AS_PATH
      `IPv6, 71 octets: ${marker}00470200000030${'800e20'}0002011020010db800000000000000000000000100${'00000007'}3020010db80001${'40010100'}${'40020602010000fc00'}`,
      'RangeError: message of 8023 octets: at most 4096',
      'true',
    ]);
  });

  test('decode-capture: as many prefixes as bgpdump finds in the same file', () => {
    const lines = run('decode-capture');
    expect(lines.at(-1)).toBe(
      '615 keepalive, 393 update, 825 prefixes announced, 2419 prefixes withdrawn, 13 open, 7 notification',
    );
    expect(lines).toContain('2002-07-22T22:45:25.000Z 193.203.0.1 AS1853 193.230.138.0/23 by 1853 1299 8708');
  });

  test('session: from Idle to Established over TCP, a route, and an end with a reason', () => {
    const lines = run('session');
    const of = (as: number) => lines.filter((line) => line.startsWith(`AS${as}: `)).map((line) => line.slice(9));
    expect(of(64512)).toEqual([
      'ManualStart: Idle to Connect',
      'TcpConnectionConfirmed: Connect to OpenSent',
      'OpenReceived: OpenSent to OpenConfirm',
      'KeepaliveReceived: OpenConfirm to Established',
      'told Cease/Administrative Shutdown: "that is all"',
      'NotificationReceived: Established to Idle',
    ]);
    expect(of(64513)).toEqual([
      'ManualStartPassive: Idle to Active',
      'TcpConnectionRequestAcked: Active to OpenSent',
      'OpenReceived: OpenSent to OpenConfirm',
      'KeepaliveReceived: OpenConfirm to Established',
      'heard of 198.51.100.0/24',
      'ManualStop: Established to Idle',
    ]);
  });

  test('what the README shows is part of an example', () => {
    const readme = readFileSync(file('README.md'), 'utf8');
    const shown = [...readme.matchAll(/```ts\n\/\/ (examples\/[\w-]+\.ts)\n([\s\S]*?)```/g)];
    expect(shown.map(([, name]) => name)).toEqual([
      'examples/build-update.ts',
      'examples/decode-capture.ts',
      'examples/session.ts',
    ]);
    for (const [, name = '', code = ''] of shown) {
      const source = readFileSync(file(name), 'utf8');
      for (const part of code.split(/^ *\/\/ \.\.\.\n/m)) expect(source).toContain(part.trim());
    }
  });
});
