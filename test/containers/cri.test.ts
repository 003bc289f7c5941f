import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRoot } from '../netns/lab-daemon.ts';
import { ContainerLab, type RuntimeNode } from './container-lab.ts';

describe.skipIf(!isRoot)('pods that containerd starts as kubelet asks it to', () => {
  const lab = new ContainerLab();
  let one: RuntimeNode;
  let two: RuntimeNode;

  beforeAll(async () => {
    [one, two] = await lab.start();
  });

  afterAll(async () => {
    await lab.close();
  });

  test('pods of two nodes reach each other in both families', async () => {
    const a = await one.runPod('a');
    const b = await two.runPod('b');
    for (const address of [b.ipv4, b.ipv6]) await a.ping(address);
    for (const address of [a.ipv4, a.ipv6]) await b.ping(address);
    expect(await a.run('ip', '-4', 'route')).toContain('default via 169.254.1.1 dev eth0');
    for (const pod of [a, b]) await pod.remove();
  });
});
