import { goodOpen } from './generate-open.ts';
import { judgeUpdate, type RouteKey } from './judge.ts';
import { AS, type Heard, type Link, type Stage } from './link.ts';
import { SENTINELS } from './model.ts';
import { message } from './wire.ts';

const KEEPALIVE = message(4, []);
const CONTEXT = { kind: 'ebgp', fourOctetAs: true, addPath4: false, addPath6: false } as const;

/** A peer that only listens: it keeps the table it is told, judges every UPDATE by itself, and notes if its session ends. */
export class Observer {
  readonly table = new Set<RouteKey>();
  /** The last number announced with each sentinel. */
  readonly seen: Record<4 | 6, number> = { 4: -1, 6: -1 };
  /** What was wrong with what it was told. */
  readonly problems: string[] = [];
  updates = 0;
  readonly #link: Link;

  /** @throws Error if the session does not come up */
  static async join(stage: Stage, n: number): Promise<Observer> {
    const address = stage.observers[n] as string;
    const link = await stage.connect(address);
    if (link === undefined) throw new Error(`observer ${address}: refused`);
    const observer = new Observer(link);
    link.send(message(1, goodOpen({ asn: AS.observers[n] as number, identifier: address, holdSeconds: 9 })));
    link.send(KEEPALIVE);
    if (!(await stage.until(() => link.heard.some(({ type }) => type === 4))))
      throw new Error(`observer ${address}: not up`);
    return observer;
  }

  private constructor(link: Link) {
    this.#link = link;
    link.onMessage = (heard) => this.#take(heard);
  }

  /** Why the session is over; undefined while it stands. */
  get ended(): string | undefined {
    const { notification, isClosed } = this.#link;
    return notification ? `NOTIFICATION ${notification.body.slice(0, 2).join('/')}` : isClosed ? 'closed' : undefined;
  }

  /** Keeps the session up. */
  keepalive(): void {
    this.#link.send(KEEPALIVE);
  }

  close(): void {
    this.#link.close();
  }

  #take({ type, body }: Heard): void {
    // Memory is watched: nothing is kept that is not looked at again.
    if (this.#link.heard.length > 100) this.#link.heard.splice(0, 99);
    if (type !== 2) return;
    this.updates++;
    const judged = judgeUpdate(body, CONTEXT);
    if (judged.action !== 'accept' || judged.discarded > 0) {
      this.problems.push(
        `told ${judged.action}: ${[...body].map((octet) => octet.toString(16).padStart(2, '0')).join('')}`,
      );
      return;
    }
    for (const key of judged.withdrawn) this.table.delete(key);
    for (const key of judged.announced) {
      this.table.add(key);
      const communities = judged.attributes.get(8);
      for (const version of [4, 6] as const) {
        if (key === SENTINELS[version] && communities)
          this.seen[version] = communities.at(-2)! * 256 + communities.at(-1)!;
      }
    }
  }
}
