import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prefix, prefixContains } from 'bgp-ts';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StepPoint } from '../../../cni/context.ts';
import { CniDispatcher } from '../../../cni/dispatcher.ts';
import { SqliteStore } from '../../../cni/ipam/store.ts';
import { silentLogger } from '../../../lib/log.ts';
import { rawRequest } from '../../support/cni-request.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeWiring } from '../../support/fake-wiring.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-model-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const points: readonly StepPoint[] = ['intent', 'wired', 'attached', 'detach-intent', 'unwired', 'detached'];

/** The daemon at a step where it dies: nothing after it happens. */
class Crash extends Error {}

const pod = fc.nat(7).map((n) => `pod${n}`);
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('add' as const), pod, crash: crashPoint() }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('del' as const), pod, crash: crashPoint() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('store-lost' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('wire-fails' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('unwire-fails' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('gc' as const), keep: fc.subarray(['pod0', 'pod1', 'pod2']) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('blocks' as const), which: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('time' as const), seconds: fc.nat(90) }) },
);

function crashPoint(): fc.Arbitrary<StepPoint | undefined> {
  return fc.option(fc.constantFrom(...points), { nil: undefined, freq: 4 });
}

const blockSets = [
  ['10.0.0.0/30', 'fd00::/126'],
  ['10.0.0.0/30', '10.0.1.0/31', 'fd00::/125'],
  ['10.0.1.0/31', 'fd00::/126'],
];

/**
 * Commands, failures of the kernel and crashes between any two steps, in any order. After each of them: no address is
 * held twice, none leads to a pod that does not hold it, and what the runtime was told stands. After a last restart and
 * a DEL of everything, nothing is left anywhere.
 */
test('no address is doubled, none is leaked, whatever happens in between', { timeout: 60_000 }, async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
      const statePath = join(directory, `${run++}.db`);
      const clock = new FakeClock();
      const kernel = new FakeWiring();
      const told = new Map<string, readonly string[]>();
      // Taken up from the kernel: they stand, but an ADD sets them up anew, since the answer given is not known.
      const adopted = new Set<string>();
      let blocks = blockSets[0] ?? [];
      let crashAt: StepPoint | undefined;
      let isDead = false;
      let wasLost = false;

      // The dead do nothing: after the crash neither the store nor the kernel hears of the process again.
      const mortal = <T extends object>(object: T): T =>
        new Proxy(object, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name, target);
            if (typeof value !== 'function') return value;
            return (...args: unknown[]) => {
              if (isDead && name !== 'close') throw new Crash();
              return value.apply(target, args) as unknown;
            };
          },
        });

      const openServer = async () => {
        isDead = false;
        const server = new CniDispatcher({
          openStore: () => mortal(new SqliteStore(statePath)),
          wiring: mortal(kernel),
          clock,
          log: silentLogger,
          coolDownSeconds: 60,
          onStep(point) {
            if (isDead) throw new Crash();
            if (point !== crashAt) return;
            isDead = true;
            throw new Crash();
          },
        });
        server.setBlocks(blocks.map((text) => ({ prefix: prefix(text) })));
        await server.open();
        return server;
      };

      let server = await openServer();
      const restart = async () => {
        await server.close();
        kernel.failNext.clear();
        crashAt = undefined;
        server = await openServer();
        // Nothing half made is left by a start.
        expect(server.pods().filter((entry) => entry.state !== 'ready')).toEqual([]);
        expect(
          server
            .pods()
            .map((entry) => entry.hostIfName)
            .sort(),
        ).toEqual([...kernel.pods.keys()].sort());
      };

      for (const step of operations) {
        crashAt = undefined;
        switch (step.type) {
          case 'add':
          case 'del': {
            crashAt = step.crash;
            const call = { containerId: step.pod, ifName: 'eth0', netns: `/run/netns/${step.pod}` };
            if (adopted.delete(step.pod) || step.type === 'del') told.delete(step.pod);
            const answer = await server.handle(rawRequest({ command: step.type.toUpperCase(), ...call }));
            if (isDead) {
              await restart();
              // A crash after the pod was recorded as ready: the runtime was told nothing, and will ask for a DEL.
              if (step.type === 'add' && !server.pods().some((entry) => entry.containerId === step.pod))
                told.delete(step.pod);
              break;
            }
            if (step.type === 'add' && answer.exitCode === 0) {
              const result = JSON.parse(answer.stdout) as { ips: { address: string }[] };
              const addresses = result.ips.map((entry) => entry.address.split('/')[0] ?? '');
              if (told.has(step.pod)) expect(addresses).toEqual(told.get(step.pod));
              told.set(step.pod, addresses);
              expect(addresses).toHaveLength(2);
            } else if (step.type === 'add') told.delete(step.pod);
            break;
          }
          case 'restart':
            await restart();
            break;
          case 'store-lost':
            await server.close();
            for (const end of ['', '-wal', '-shm']) rmSync(`${statePath}${end}`, { force: true });
            wasLost = true;
            for (const id of told.keys()) adopted.add(id);
            await restart();
            break;
          case 'wire-fails':
            kernel.failNext.set('wire', new Error('no memory'));
            break;
          case 'unwire-fails':
            kernel.failNext.set('unwire', new Error('device busy'));
            break;
          case 'gc': {
            const config = {
              'cni.dev/valid-attachments': step.keep.map((id) => ({ containerID: id, ifname: 'eth0' })),
            };
            await server.handle(rawRequest({ command: 'GC', version: '1.1.0', config }));
            for (const id of told.keys()) if (!(step.keep as string[]).includes(id)) told.delete(id);
            break;
          }
          case 'blocks':
            blocks = blockSets[step.which] ?? [];
            server.setBlocks(blocks.map((text) => ({ prefix: prefix(text) })));
            break;
          case 'time':
            clock.advance(step.seconds * 1000);
            break;
        }
        checkInvariants(server, kernel, told, wasLost);
      }

      await restart();
      checkInvariants(server, kernel, told, wasLost);
      for (const entry of server.pods()) {
        const answer = await server.handle(
          rawRequest({ command: 'DEL', containerId: entry.containerId, ifName: 'eth0' }),
        );
        expect(answer.exitCode).toBe(0);
      }
      expect(server.pods()).toEqual([]);
      expect(kernel.addresses).toEqual([]);
      expect(server.blocks().map((block) => block.used)).toEqual(blocks.map(() => 0));
      await server.close();
      const store = new SqliteStore(statePath);
      expect(store.load().attachments).toEqual([]);
      store.close();
    }),
    { numRuns: 150 },
  );
});

function checkInvariants(
  server: CniDispatcher,
  kernel: FakeWiring,
  told: ReadonlyMap<string, readonly string[]>,
  wasLost: boolean,
): void {
  const pods = server.pods();
  const held = pods.flatMap((entry) => entry.addresses.map((address) => address.octets.join('.')));
  expect(new Set(held).size).toBe(held.length);
  const names = new Set(pods.map((entry) => entry.hostIfName));
  for (const name of kernel.pods.keys()) expect(names).toContain(name);
  for (const [containerId, addresses] of told) {
    const entry = pods.find((candidate) => candidate.containerId === containerId);
    expect(entry?.state).toBe('ready');
    expect(kernel.pods.get(entry?.hostIfName ?? '')?.addresses).toEqual(addresses);
  }
  // Which blocks were taken out of service is lost with the store.
  if (wasLost) return;
  for (const address of pods.flatMap((entry) => entry.addresses)) {
    const isInBlock = server.blocks().some((block) => prefixContains(block.prefix, address));
    expect(isInBlock, `${address.octets.join('.')} is in a block that is known`).toBe(true);
  }
}
