import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import type { DaemonName } from '../daemons/daemon.ts';
import type { PairScenario } from '../scenario.ts';

/** Only ExaBGP sends what one asks it to. */
const others: Partial<Record<DaemonName, string>> = {
  FRR: 'sends nothing malformed',
  BIRD: 'sends nothing malformed',
  GoBGP: 'sends nothing malformed',
  OpenBGPD: 'sends nothing malformed',
};

/** Attributes as octets in hexadecimal: flags, code, length, value. */
const good = {
  origin: '40010100',
  /** 65020 in four octets. */
  asPath: '4002060201' + '0000fdfc',
  /** By which a route is told from the one that was there before. */
  med: '80040400000007',
  nextHop: (i: string) => `400304${i}`,
};

/** What podrouted must do about one UPDATE. */
type Outcome =
  /** RFC 7606 §2: the routes in it are withdrawn. */
  | 'treat-as-withdraw'
  /** The route is used without the attribute. */
  | 'attribute-discard'
  /** The NOTIFICATION that ends the session, in bgpctl's words. */
  | RegExp;

interface Malformed {
  readonly name: string;
  readonly rfc: string;
  readonly outcome: Outcome;
  /** Attributes of the UPDATE, given the good ones. @param nextHop NEXT_HOP as it should be */
  attributes(nextHop: string): string;
  /** What is not there in the route that is used in spite of it. */
  readonly absent?: 'atomicAggregate' | 'aggregator' | 'originatorId';
  /** NLRI in place of the prefix. */
  readonly nlri?: string;
  /** Length of the attributes in place of the true one. */
  readonly attributesLength?: number;
  /** Length field of the header in place of the true one. */
  readonly headerLength?: number;
}

const cases: readonly Malformed[] = [
  {
    name: 'ORIGIN with the flags of an optional attribute',
    rfc: 'RFC 7606 §3 c',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `c0010100${good.asPath}${nextHop}`,
  },
  {
    name: 'ORIGIN of two octets',
    rfc: 'RFC 7606 §7.1',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `4001020000${good.asPath}${nextHop}`,
  },
  {
    name: 'ORIGIN with the value 5',
    rfc: 'RFC 7606 §7.1',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `40010105${good.asPath}${nextHop}`,
  },
  {
    name: 'no ORIGIN',
    rfc: 'RFC 7606 §3 d',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.asPath}${nextHop}`,
  },
  {
    name: 'no AS_PATH',
    rfc: 'RFC 7606 §3 d',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.origin}${nextHop}`,
  },
  {
    name: 'no NEXT_HOP',
    rfc: 'RFC 7606 §3 d',
    outcome: 'treat-as-withdraw',
    attributes: () => `${good.origin}${good.asPath}`,
  },
  {
    name: 'AS_PATH with a segment of unknown kind',
    rfc: 'RFC 7606 §7.2',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.origin}4002060901${'0000fdfc'}${nextHop}`,
  },
  {
    name: 'AS_PATH whose segment is longer than it',
    rfc: 'RFC 7606 §7.2',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.origin}4002060203${'0000fdfc'}${nextHop}`,
  },
  {
    name: 'NEXT_HOP of five octets',
    rfc: 'RFC 7606 §7.3',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.origin}${good.asPath}400305${nextHop.slice(6)}00`,
  },
  {
    name: 'MULTI_EXIT_DISC of three octets',
    rfc: 'RFC 7606 §7.4',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}800403000001`,
  },
  {
    name: 'ATOMIC_AGGREGATE of one octet',
    rfc: 'RFC 7606 §7.6',
    outcome: 'attribute-discard',
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}${good.med}40060100`,
    absent: 'atomicAggregate',
  },
  {
    name: 'AGGREGATOR of seven octets',
    rfc: 'RFC 7606 §7.7',
    outcome: 'attribute-discard',
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}${good.med}c0070700010203040506`,
    absent: 'aggregator',
  },
  {
    name: 'COMMUNITIES of five octets',
    rfc: 'RFC 7606 §7.8',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}c00805fde8000100`,
  },
  {
    name: 'EXTENDED COMMUNITIES of nine octets',
    rfc: 'RFC 7606 §7.14',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}c010090002fde80000000100`,
  },
  {
    name: 'LARGE_COMMUNITY of eleven octets',
    rfc: 'RFC 8092 §6',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}c0200b${'00'.repeat(11)}`,
  },
  {
    name: 'ORIGINATOR_ID over eBGP',
    rfc: 'RFC 7606 §7.9',
    outcome: 'attribute-discard',
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}${good.med}80090401020304`,
    absent: 'originatorId',
  },
  {
    name: 'the same attribute twice: the first counts',
    rfc: 'RFC 7606 §3 g',
    outcome: 'attribute-discard',
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}${good.med}80040400000008`,
  },
  {
    name: 'an attribute longer than what is left',
    rfc: 'RFC 7606 §4',
    outcome: 'treat-as-withdraw',
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}8004ff00000001`,
  },
  {
    name: 'an unknown well-known attribute',
    rfc: 'RFC 4271 §6.3',
    outcome: /UPDATE Message Error\/Unrecognized Well-known Attribute/,
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}40d50100`,
  },
  {
    name: 'a prefix of 33 bits',
    rfc: 'RFC 7606 §5.3',
    outcome: /UPDATE Message Error\/Invalid Network Field/,
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}`,
    nlri: '211e00000100',
  },
  {
    name: 'attributes longer than the message',
    rfc: 'RFC 4271 §6.3',
    outcome: /UPDATE Message Error\/Malformed Attribute List/,
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}`,
    attributesLength: 4000,
  },
  {
    name: 'a header with a length of 18',
    rfc: 'RFC 4271 §6.1',
    outcome: /Message Header Error\/Bad Message Length/,
    attributes: (nextHop) => `${good.origin}${good.asPath}${nextHop}`,
    headerLength: 18,
  },
];

/** Malformed messages on sessions of their own: what they do, and that they do it to nobody else. */
export const errorScenarios: readonly PairScenario[] = cases.map(
  (malformed): PairScenario => ({
    subject: 'errors',
    on: 'shared network',
    kind: 'ebgp',
    name: malformed.name,
    rfc: malformed.rfc,
    lacks: others,
    async run(meeting) {
      const before = await meeting.established();
      await meeting.fromDaemon(1);
      await meeting.fromDaemon(2);
      const bystander = await meeting.pair.client.get<{ counters: { established: number } }>('/v1/peers/west');
      const nextHop = good.nextHop(Buffer.from(meeting.link.peer.ipv4.split('.').map(Number)).toString('hex'));
      const prefixOctets = Buffer.from(meeting.eastPrefix(1).split('.').slice(0, 3).map(Number)).toString('hex');
      meeting.daemon.sendRaw?.(meeting.nodeAddress, updateOf(malformed, nextHop, `18${prefixOctets}`));

      const text = meeting.eastPrefix(1);
      if (malformed.outcome === 'treat-as-withdraw') await meeting.gone(text);
      else if (malformed.outcome === 'attribute-discard') {
        const used = await waitFor('the route used in spite of it', async () => {
          const [route] = await meeting.receivedNow(text);
          return route?.attributes.med === 7 ? route : undefined;
        });
        expect(used.reason).toBeUndefined();
        if (malformed.absent !== undefined) expect(used.attributes).not.toHaveProperty(malformed.absent);
      } else {
        const words = malformed.outcome;
        const reset = await waitFor('the session ended', async () => (await meeting.peer()).lastReset);
        expect(reset).toMatchObject({ by: 'local', text: expect.stringMatching(words) });
      }
      if (!(malformed.outcome instanceof RegExp)) {
        await meeting.received(meeting.eastPrefix(2));
        await meeting.expectSameSession(before);
      }
      const after = await meeting.pair.client.get<{ counters: { established: number } }>('/v1/peers/west');
      expect(after.counters.established).toBe(bystander.counters.established);
      return outcomeWords(malformed.outcome);
    },
  }),
);

function outcomeWords(outcome: Outcome): string {
  return outcome instanceof RegExp ? outcome.source.replaceAll('\\', '') : outcome;
}

/** A whole UPDATE: header, no withdrawn routes, attributes, one prefix. */
function updateOf(malformed: Malformed, nextHop: string, nlri: string): Uint8Array {
  const attributes = malformed.attributes(nextHop);
  const two = (n: number): string => n.toString(16).padStart(4, '0');
  const body = `0000${two(malformed.attributesLength ?? attributes.length / 2)}${attributes}${malformed.nlri ?? nlri}`;
  const length = malformed.headerLength ?? 19 + body.length / 2;
  return Uint8Array.from(Buffer.from(`${'ff'.repeat(16)}${two(length)}02${body}`, 'hex'));
}
