import { expect, test } from 'vitest';
import { encoderWarmUp } from '../../../fib/warm-up.ts';

test('the warm-up comes to an end', () => {
  const step = encoderWarmUp();
  let steps = 1;
  while (step() && steps < 1000) steps++;
  expect(steps).toBeGreaterThan(10);
  expect(steps).toBeLessThan(1000);
});
