import { describe, expect, test } from 'vitest';
import { SLICE_MS, WorkLoop } from '../../../speaker/work-loop.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A worker with so many slices of work, which notes its turns. */
function worker(name: string, slices: number, turns: string[]) {
  let left = slices;
  return {
    add: (more: number) => {
      left += more;
    },
    work(budgetMs: number): boolean {
      turns.push(`${name} ${budgetMs}`);
      left = Math.max(0, left - 1);
      return left > 0;
    },
  };
}

describe('work loop', () => {
  test('nothing runs before it is woken, and not within the call that wakes it', () => {
    const turns: string[] = [];
    const clock = new FakeClock();
    const loop = new WorkLoop(clock, [worker('a', 1, turns)]);
    clock.advance(1000);
    expect(turns).toEqual([]);
    loop.wake();
    expect(turns).toEqual([]);
    clock.advance(0);
    expect(turns).toEqual([`a ${SLICE_MS}`]);
    clock.advance(1000);
    expect(turns).toHaveLength(1);
  });

  test('waking it often makes one turn', () => {
    const turns: string[] = [];
    const clock = new FakeClock();
    const loop = new WorkLoop(clock, [worker('a', 1, turns)]);
    for (let n = 0; n < 10; n++) loop.wake();
    expect(clock.pendingCount).toBe(1);
    clock.advance(0);
    expect(turns).toHaveLength(1);
  });

  test('workers take turns, a slice each, until none has more', () => {
    const turns: string[] = [];
    const clock = new FakeClock();
    const loop = new WorkLoop(clock, [worker('a', 3, turns), worker('b', 1, turns)]);
    loop.wake();
    clock.advance(0);
    expect(turns.map((turn) => turn[0]).join('')).toBe('ababab');
  });

  test('between two turns others run: sockets and timers that are due', () => {
    const turns: string[] = [];
    const clock = new FakeClock();
    const loop = new WorkLoop(clock, [worker('a', 3, turns)]);
    loop.wake();
    clock.setTimer(0, () => turns.push('keepalive'));
    clock.advance(0);
    expect(turns).toEqual([`a ${SLICE_MS}`, 'keepalive', `a ${SLICE_MS}`, `a ${SLICE_MS}`]);
  });

  test('a worker that wakes the loop from within gets another turn', () => {
    const clock = new FakeClock();
    let turns = 0;
    const loop: WorkLoop = new WorkLoop(clock, [
      {
        work: () => {
          turns++;
          if (turns < 3) loop.wake();
          return false;
        },
      },
    ]);
    loop.wake();
    clock.advance(0);
    expect(turns).toBe(3);
  });

  test('held back: no turn until released, or for 10 ms at most', () => {
    const turns: string[] = [];
    const clock = new FakeClock();
    const a = worker('a', 2, turns);
    const loop = new WorkLoop(clock, [a]);
    loop.hold(true);
    loop.wake();
    clock.advance(9);
    expect(turns).toHaveLength(0);
    loop.hold(false);
    clock.advance(0);
    expect(turns).toHaveLength(2);
    a.add(1);
    loop.hold(true);
    loop.wake();
    clock.advance(9);
    expect(turns).toHaveLength(2);
    clock.advance(1);
    expect(turns).toHaveLength(3);
    expect(clock.pendingCount).toBe(0);
  });

  test('closing ends it, whatever is left and whoever wakes it', () => {
    const turns: string[] = [];
    const clock = new FakeClock();
    const loop = new WorkLoop(clock, [worker('a', 9, turns)]);
    loop.wake();
    loop.close();
    loop.wake();
    clock.advance(1000);
    expect(turns).toEqual([]);
    expect(clock.pendingCount).toBe(0);
    loop.close();
  });
});
