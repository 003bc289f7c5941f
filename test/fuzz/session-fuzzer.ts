import { type FrameCase, generateFrame } from './generate-frame.ts';
import { type Greeter, generateOpen, goodOpen } from './generate-open.ts';
import { generateUpdate, type Sender } from './generate-update.ts';
import { judgeUpdate } from './judge.ts';
import { AS, type Link, type Stage } from './link.ts';
import { Model } from './model.ts';
import { mutateOctets, mutateUpdate } from './mutate.ts';
import { Observer } from './observer.ts';
import type { Random } from './random.ts';
import { message, u16, u32, writePrefix, writeUpdate } from './wire.ts';

/** What the speaker did that it should not have done, and what led to it. */
export class Mistake extends Error {
  constructor(what: string, sent: readonly string[]) {
    super(`${what}\n  after ${sent.slice(-12).join('\n  after ')}`);
    this.name = 'Mistake';
  }
}

const KEEPALIVE = message(4, []);
/** Cease/Administrative Shutdown. */
const GOODBYE = message(3, [6, 2]);

/** Sessions of all kinds, one after the other, against one speaker; two more peers look on. */
export class SessionFuzzer {
  readonly counts = new Map<string, number>();
  readonly #random: Random;
  readonly #stage: Stage;
  readonly #observers: readonly Observer[];
  readonly #next = { ebgp: 0, ibgp: 0 };
  #sentinel = 0;
  /** In hex and words, of the present session. */
  #sent: string[] = [];

  static async start(stage: Stage, random: Random): Promise<SessionFuzzer> {
    return new SessionFuzzer(stage, random, [await Observer.join(stage, 0), await Observer.join(stage, 1)]);
  }

  private constructor(stage: Stage, random: Random, observers: readonly Observer[]) {
    this.#stage = stage;
    this.#random = random;
    this.#observers = observers;
  }

  /** Keeps the onlookers' sessions up: to be called every few seconds. */
  keepalive(): void {
    for (const observer of this.#observers) observer.keepalive();
  }

  /** UPDATEs that each onlooker has judged, and found right. */
  get judged(): readonly number[] {
    return this.#observers.map(({ updates }) => updates);
  }

  close(): void {
    for (const observer of this.#observers) observer.close();
  }

  /** One session from its connection to its end. @throws Mistake */
  async session(): Promise<void> {
    const kind = this.#random.once(3) ? 'ibgp' : 'ebgp';
    const addresses = this.#stage.addresses[kind];
    const address = addresses[this.#next[kind]++ % addresses.length] as string;
    this.#sent = [`${kind} session from ${address}`];
    const link = await this.#stage.connect(address);
    if (link === undefined || link.isClosed) {
      this.#count('connections refused');
      return;
    }
    this.#count('sessions');
    await this.#greet(link, kind, address);
    link.close();
    this.#lookOn();
  }

  async #greet(link: Link, kind: 'ebgp' | 'ibgp', address: string): Promise<void> {
    const random = this.#random;
    const greeter: Greeter = {
      asn: kind === 'ebgp' ? AS.fuzzer : AS.local,
      identifier: address,
      fourOctetAs: !random.once(4),
      addPath: random.pick([
        [],
        [],
        [[1, 2]],
        [
          [1, 2],
          [2, 2],
        ],
      ] as const),
    };
    if (random.once(12)) {
      await this.#tooEarly(link, greeter);
      return;
    }
    if (random.once(3)) {
      const open = generateOpen(random, greeter, AS.fuzzer + 9);
      this.#say(link, message(1, open.body), `OPEN, ${open.name}`);
      if (open.answer !== 'accept') {
        await this.#answered(link, new Set([open.answer]), open.data, `OPEN, ${open.name}`);
        return;
      }
      this.#count(`OPEN accepted: ${open.name}`);
      this.#say(link, KEEPALIVE, 'KEEPALIVE');
      if (!(await this.#stage.until(() => isUp(link)))) throw this.#mistake(`OPEN, ${open.name}: ${seenOn(link)}`);
      this.#say(link, GOODBYE, 'Cease');
      await this.#gone(new Model(contextOf(greeter, kind), this.#stage));
      return;
    }
    this.#say(link, message(1, goodOpen(greeter)), `OPEN ${greeter.fourOctetAs} ${JSON.stringify(greeter.addPath)}`);
    this.#say(link, KEEPALIVE, 'KEEPALIVE');
    if (!(await this.#stage.until(() => isUp(link)))) throw this.#mistake(`no session: ${seenOn(link)}`);
    this.#count('established');
    await this.#established(link, greeter, kind);
  }

  /** Something that has no place in OpenSent (RFC 6608), or a header that is none (RFC 4271 §6.1). */
  async #tooEarly(link: Link, greeter: Greeter): Promise<void> {
    const random = this.#random;
    const early = random.pick([2, 4, 5]);
    const body = { 2: [0, 0, 0, 0], 4: [], 5: [0, 1, 0, 1] }[early] as number[];
    let test: FrameCase = {
      name: `type ${early} in OpenSent`,
      octets: message(early, body),
      answer: '5/1',
      data: [early],
    };
    if (random.once(2)) {
      do test = generateFrame(random, goodOpen(greeter));
      while (!test.answer.startsWith('1/'));
    }
    this.#say(link, test.octets, test.name);
    await this.#answered(link, new Set([test.answer]), test.data, test.name);
  }

  async #established(link: Link, greeter: Greeter, kind: 'ebgp' | 'ibgp'): Promise<void> {
    const random = this.#random;
    const model = new Model(contextOf(greeter, kind), this.#stage);
    const { nextHop4, nextHop6 } = this.#stage;
    const sender: Sender = { context: contextOf(greeter, kind), asn: greeter.asn, nextHop4, nextHop6 };
    for (let round = random.between(1, 6); round > 0; round--) {
      for (let n = random.between(1, 12); n > 0; n--) {
        if (random.once(25)) {
          const isOver = await this.#frame(link, model, greeter);
          if (isOver) return;
          continue;
        }
        const answer = this.#update(link, model, sender);
        if (answer === undefined) continue;
        await this.#answered(link, answer, undefined, this.#sent.at(-1) ?? '');
        await this.#gone(model);
        return;
      }
      await this.#arrived(link, model, sender);
    }
    if (random.once(2)) this.#say(link, GOODBYE, 'Cease');
    link.close();
    await this.#gone(model);
    this.#count('sessions ended by the peer');
  }

  /** Sends one UPDATE; the codes to be answered with, if any. */
  #update(link: Link, model: Model, sender: Sender): ReadonlySet<string> | undefined {
    const random = this.#random;
    const good = generateUpdate(random, sender);
    const mutated = random.once(3) ? { update: good, names: ['right'] } : mutateUpdate(random, good);
    let body = Uint8Array.from(writeUpdate(mutated.update));
    if (random.once(30)) body = Uint8Array.from(mutateOctets(random, body));
    if (body.length < 4 || body.length > 4077) return undefined; // a matter of the header: see `generateFrame`
    const judged = judgeUpdate(body, sender.context);
    if (judged.action === 'unsure') return undefined;
    // Routes of a disabled family are ignored, whatever else the message says (RFC 4760 §7): nothing to hold the speaker to.
    if (judged.action === 'reset' && model.disabled.size > 0) return undefined;
    this.#say(link, message(2, [...body]), `UPDATE (${mutated.names.join(', ')}) ${judged.action}`);
    const answer = model.apply(judged, body);
    this.#count(`UPDATE ${answer === undefined ? judged.action : 'reset'}`);
    if (judged.action !== 'reset' && judged.disabled.length > 0) this.#count('UPDATE disables a family');
    for (const name of mutated.names) this.#count(`mutation: ${name}`);
    return answer;
  }

  /** Something else than an UPDATE; true if that was the end. */
  async #frame(link: Link, model: Model, greeter: Greeter): Promise<boolean> {
    const test = generateFrame(this.#random, goodOpen(greeter));
    this.#say(link, test.octets, test.name);
    if (test.answer === 'none') {
      this.#count(`frame: ${test.name}`);
      return false;
    }
    if (test.answer === 'closed') {
      if (!(await this.#stage.until(() => link.isClosed))) throw this.#mistake(`${test.name}: not closed`);
      if (link.notification) throw this.#mistake(`${test.name}: answered`);
      this.#count(`frame: ${test.name}`);
    } else {
      await this.#answered(link, new Set([test.answer]), test.data, test.name);
    }
    await this.#gone(model);
    return true;
  }

  /** Waits for the NOTIFICATION and the end of the connection. */
  async #answered(
    link: Link,
    codes: ReadonlySet<string>,
    data: readonly number[] | undefined,
    what: string,
  ): Promise<void> {
    if (!(await this.#stage.until(() => link.isClosed))) throw this.#mistake(`${what}: not closed, ${seenOn(link)}`);
    const body = link.notification?.body;
    const said = body === undefined ? 'closed without a word' : `${body[0]}/${body[1]}`;
    const wanted = [...codes].join(' or ');
    if (!codes.has(said)) throw this.#mistake(`${what}: ${said}, wanted ${wanted}`);
    if (data !== undefined && body?.slice(2).join() !== data.join()) {
      throw this.#mistake(`${what}: ${said} with data ${body?.slice(2).join()}, wanted ${data.join()}`);
    }
    this.#count(`answered ${said}`);
  }

  /** Announces a sentinel and waits until the onlookers have it, and have of the rest what the model says. */
  async #arrived(link: Link, model: Model, sender: Sender): Promise<void> {
    const version = model.disabled.has(4) ? 6 : 4;
    this.#sentinel = (this.#sentinel + 1) % 0x10000;
    const body = Uint8Array.from(sentinelUpdate(version, this.#sentinel, sender));
    this.#say(link, message(2, [...body]), 'sentinel');
    model.apply(judgeUpdate(body, sender.context), body);
    const isThere = (): boolean => this.#observers.every(({ seen }) => seen[version] === this.#sentinel);
    if (!(await this.#stage.until(isThere))) throw this.#mistake(`the sentinel did not arrive: ${seenOn(link)}`);
    await this.#settled(model);
    if (link.isClosed || link.notification) throw this.#mistake(`ended for nothing: ${seenOn(link)}`);
    this.#count('tables compared');
  }

  /** After the end of a session nothing of it is left with the onlookers. */
  async #gone(model: Model): Promise<void> {
    model.clear();
    await this.#settled(model);
    this.#count('tables empty after a session');
  }

  async #settled(model: Model): Promise<void> {
    const wrong = (): string[] => this.#observers.flatMap(({ table }) => model.difference(table) ?? []);
    const isRight = await this.#stage.until(() => wrong().length === 0);
    this.#lookOn();
    if (!isRight) throw this.#mistake(`an onlooker's table: ${wrong().join('; ')}`);
  }

  /** The others' sessions stand, and what they were told is without fault. */
  #lookOn(): void {
    for (const [n, { ended, problems }] of this.#observers.entries()) {
      if (ended !== undefined) throw this.#mistake(`the session of onlooker ${n} ended: ${ended}`);
      if (problems.length > 0) throw this.#mistake(`onlooker ${n} was ${problems[0]}`);
    }
  }

  #say(link: Link, octets: Uint8Array, what: string): void {
    const shown = [...octets.subarray(18)].map((octet) => octet.toString(16).padStart(2, '0')).join('');
    this.#sent.push(`${what}: ${shown.length > 1200 ? `${shown.slice(0, 1200)}...` : shown}`);
    this.#count('messages sent');
    if (!link.isClosed) link.send(octets);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #mistake(what: string): Mistake {
    return new Mistake(what, this.#sent);
  }
}

function isUp(link: Link): boolean {
  return link.heard.some(({ type }) => type === 4);
}

function seenOn(link: Link): string {
  const heard = link.heard.map(({ type, body }) =>
    type === 3 ? `NOTIFICATION ${body[0]}/${body[1]}` : `type ${type}`,
  );
  return `${link.isClosed ? 'closed' : 'open'}, heard ${heard.slice(-5).join(', ') || 'nothing'}`;
}

/** What the session will be, given what the speaker offers: four-octet AS numbers, and to receive several paths of both families. */
function contextOf(greeter: Greeter, kind: 'ebgp' | 'ibgp'): Sender['context'] {
  const has = (afi: number): boolean => greeter.addPath?.some(([own]) => own === afi) === true;
  return { kind, fourOctetAs: greeter.fourOctetAs !== false, addPath4: has(1), addPath6: has(2) };
}

function sentinelUpdate(version: 4 | 6, n: number, { context, asn, nextHop4, nextHop6 }: Sender): number[] {
  const path = context.kind === 'ibgp' ? [] : [2, 1, ...(context.fourOctetAs ? u32(asn) : u16(asn))];
  const hasIds = version === 4 ? context.addPath4 : context.addPath6;
  const octets = version === 4 ? [10, 99] : [0x20, 1, 0xd, 0xb8, 0, 0x99];
  const nlri = writePrefix(octets, version === 4 ? 16 : 48, hasIds ? 1 : undefined);
  const attributes = [
    { flags: 0x40, code: 1, value: [0] },
    { flags: 0x40, code: 2, value: path },
    ...(context.kind === 'ibgp' ? [{ flags: 0x40, code: 5, value: u32(100) }] : []),
    { flags: 0xc0, code: 8, value: [0xfc, 0, ...u16(n)] },
    version === 4
      ? { flags: 0x40, code: 3, value: nextHop4 }
      : { flags: 0x80, code: 14, value: [0, 2, 1, 16, ...nextHop6, 0, ...nlri] },
  ];
  return writeUpdate({ withdrawn: [], attributes, nlri: version === 4 ? nlri : [] });
}
