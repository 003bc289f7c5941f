import { parseAsPath } from 'bgp-ts';
import { expect } from 'vitest';
import type { ExplainReply } from '../../../lib/api-explain.ts';
import type { PairScenario } from '../scenario.ts';

/** The AS number that nobody may have (RFC 7607). */
export const asZeroScenarios: readonly PairScenario[] = [
  {
    subject: 'attributes',
    on: 'shared network',
    kind: 'ebgp',
    name: 'a path with AS 0 is treated as withdrawn',
    rfc: 'RFC 7607 §2',
    lacks: { FRR: 'lets no path with AS 0 pass', OpenBGPD: 'lets no path with AS 0 pass' },
    async run(meeting) {
      const before = await meeting.established();
      await meeting.fromDaemon(1);
      await meeting.fromDaemon(2);
      await meeting.announceEast(1, { asPath: parseAsPath(meeting.daemon.announce ? '0 7' : '65030 0 7') ?? [] });
      await meeting.gone(meeting.eastPrefix(1));
      // It is podrouted that has taken it away, not the daemon.
      const explained = meeting.pair.node.bgpctlJson<ExplainReply>(
        'explain',
        meeting.eastPrefix(1),
        '--peer',
        meeting.name,
      );
      expect(explained.received?.treatedAsWithdraw?.problem).toContain('AS 0');
      await meeting.received(meeting.eastPrefix(2));
      await meeting.expectSameSession(before);
      return undefined;
    },
  },
];
