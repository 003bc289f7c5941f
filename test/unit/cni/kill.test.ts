import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StepPoint } from '../../../cni/context.ts';
import { SqliteStore } from '../../../cni/ipam/store.ts';
import { CniLab } from '../../support/cni-lab.ts';
import type { CniCall } from '../../support/cni-request.ts';

let lab: CniLab;

beforeEach(() => {
  lab = new CniLab();
});

afterEach(() => lab.close());

const blocks = ['10.0.0.0/29', 'fd00::/125'];

function callFor(containerId: string, command: string): CniCall {
  return { command, containerId, ifName: 'eth0', netns: `/run/netns/${containerId}` };
}

/** What the pretended kernel and the store hold. */
function remains(): { kernel: string[]; store: string[] } {
  const pods = JSON.parse(readFileSync(lab.kernel, 'utf8')) as [string, { addresses: string[] }][];
  const store = new SqliteStore(lab.state);
  const attachments = store.load().attachments;
  store.close();
  return {
    kernel: pods.flatMap(([, pod]) => pod.addresses).sort(),
    store: attachments.flatMap((entry) => entry.addresses).sort(),
  };
}

const rows: { point: StepPoint; command: 'ADD' | 'DEL'; survives: boolean }[] = [
  { point: 'intent', command: 'ADD', survives: false },
  { point: 'wired', command: 'ADD', survives: false },
  { point: 'attached', command: 'ADD', survives: true },
  { point: 'detach-intent', command: 'DEL', survives: false },
  { point: 'unwired', command: 'DEL', survives: false },
  { point: 'detached', command: 'DEL', survives: false },
];

describe('killed (SIGKILL) in the middle of a command, the next start puts all in order', () => {
  test.each(rows)('$command at "$point"', async ({ point, command, survives }) => {
    await lab.start({ blocks, wiring: 'fake', killAt: point, killCount: command === 'ADD' ? 2 : 1 });
    const bystander = await lab.call(callFor('bystander', 'ADD'));
    expect(bystander).toMatchObject({ exitCode: 0 });
    if (command === 'DEL') expect(await lab.call(callFor('victim', 'ADD'))).toMatchObject({ exitCode: 0 });
    // The plugin sees the connection break and says what the specification has for it.
    expect(await lab.call(callFor('victim', command))).toMatchObject({ exitCode: 1, output: { code: 11 } });
    await lab.ended();

    await lab.start({ blocks, wiring: 'fake' });
    const kept = survives ? ['10.0.0.0', '10.0.0.1', 'fd00::', 'fd00::1'] : ['10.0.0.0', 'fd00::'];
    expect(remains()).toEqual({ kernel: kept, store: kept });
    expect((await lab.call(callFor('bystander', 'ADD'))).output).toEqual(bystander.output);
    expect(await lab.call(callFor('victim', 'DEL'))).toMatchObject({ exitCode: 0 });
    // Every address of the blocks can still be had, each once.
    const runs = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => lab.call(callFor(`pod${n}`, 'ADD'))));
    expect(runs.map((run) => run.exitCode)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(await lab.call(callFor('one-too-many', 'ADD'))).toMatchObject({ exitCode: 1, output: { code: 100 } });
    const { kernel, store } = remains();
    expect(new Set(kernel).size).toBe(16);
    expect(store).toEqual(kernel);
  });
});

test('two daemons do not share a socket', async () => {
  await lab.start({ blocks, wiring: 'fake' });
  await expect(lab.start({ blocks, wiring: 'fake' })).rejects.toThrow(/another podrouted answers there/);
});

test('the plugin answers VERSION and says what is wrong while there is no daemon', async () => {
  expect(await lab.call({ command: 'VERSION', netns: 'dummy', stdin: '' })).toMatchObject({
    exitCode: 0,
    output: { supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] },
  });
  for (const command of ['ADD', 'DEL', 'CHECK', 'GC']) {
    expect(await lab.call(callFor('a', command)), command).toMatchObject({ exitCode: 1, output: { code: 11 } });
  }
  expect(await lab.call({ command: 'STATUS' })).toMatchObject({ exitCode: 1, output: { code: 50 } });
});

test('the plugin hands over a network configuration of a megabyte', async () => {
  await lab.start({ blocks, wiring: 'fake' });
  const valid = Array.from({ length: 10_000 }, (_, n) => ({ containerID: `${n}`.padStart(64, '0'), ifname: 'eth0' }));
  const call = { command: 'GC', version: '1.1.0', config: { 'cni.dev/valid-attachments': valid } };
  expect(await lab.call(call)).toMatchObject({ exitCode: 0 });
});
