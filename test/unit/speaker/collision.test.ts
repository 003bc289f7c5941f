import type { FsmState } from 'bgp-ts';
import { ip } from 'bgp-ts';
import { expect, test } from 'vitest';
import { type ConnectionOrigin, resolveCollision } from '../../../speaker/collision.ts';

const rows: {
  name: string;
  local: string;
  remote: string;
  localAs?: number;
  state: FsmState;
  existing: ConnectionOrigin;
  fresh: ConnectionOrigin;
  verdict: string;
}[] = [
  {
    name: 'larger remote, ours first',
    local: '1.0.0.1',
    remote: '1.0.0.2',
    state: 'OpenConfirm',
    existing: 'outgoing',
    fresh: 'incoming',
    verdict: 'drop-existing',
  },
  {
    name: 'larger remote, theirs first',
    local: '1.0.0.1',
    remote: '1.0.0.2',
    state: 'OpenConfirm',
    existing: 'incoming',
    fresh: 'outgoing',
    verdict: 'drop-fresh',
  },
  {
    name: 'larger local, ours first',
    local: '1.0.0.3',
    remote: '1.0.0.2',
    state: 'OpenConfirm',
    existing: 'outgoing',
    fresh: 'incoming',
    verdict: 'drop-fresh',
  },
  {
    name: 'larger local, theirs first',
    local: '1.0.0.3',
    remote: '1.0.0.2',
    state: 'OpenConfirm',
    existing: 'incoming',
    fresh: 'outgoing',
    verdict: 'drop-existing',
  },
  {
    name: 'unsigned comparison',
    local: '200.0.0.1',
    remote: '100.0.0.1',
    state: 'OpenConfirm',
    existing: 'incoming',
    fresh: 'outgoing',
    verdict: 'drop-existing',
  },
  {
    name: 'equal identifiers, larger local AS',
    local: '1.0.0.1',
    remote: '1.0.0.1',
    localAs: 65009,
    state: 'OpenConfirm',
    existing: 'incoming',
    fresh: 'outgoing',
    verdict: 'drop-existing',
  },
  {
    name: 'equal identifiers, larger remote AS',
    local: '1.0.0.1',
    remote: '1.0.0.1',
    localAs: 65001,
    state: 'OpenConfirm',
    existing: 'incoming',
    fresh: 'outgoing',
    verdict: 'drop-fresh',
  },
  {
    name: 'both opened by the peer',
    local: '1.0.0.3',
    remote: '1.0.0.2',
    state: 'OpenConfirm',
    existing: 'incoming',
    fresh: 'incoming',
    verdict: 'drop-existing',
  },
  {
    name: 'an established one',
    local: '1.0.0.3',
    remote: '1.0.0.2',
    state: 'Established',
    existing: 'incoming',
    fresh: 'outgoing',
    verdict: 'drop-fresh',
  },
  {
    name: 'the other without an OPEN, and sure to lose',
    local: '1.0.0.1',
    remote: '1.0.0.2',
    state: 'OpenSent',
    existing: 'outgoing',
    fresh: 'incoming',
    verdict: 'drop-existing',
  },
  {
    name: 'the other without an OPEN, and winning if it comes',
    local: '1.0.0.3',
    remote: '1.0.0.2',
    state: 'OpenSent',
    existing: 'outgoing',
    fresh: 'incoming',
    verdict: 'keep-both',
  },
  {
    name: 'the other opened by the peer too, without an OPEN',
    local: '1.0.0.1',
    remote: '1.0.0.2',
    state: 'OpenSent',
    existing: 'incoming',
    fresh: 'incoming',
    verdict: 'keep-both',
  },
  {
    name: 'the other not connected',
    local: '1.0.0.1',
    remote: '1.0.0.2',
    state: 'Connect',
    existing: 'outgoing',
    fresh: 'incoming',
    verdict: 'keep-both',
  },
];

test.each(rows)('$name: $verdict', ({ local, remote, localAs = 65001, state, existing, fresh, verdict }) => {
  expect(
    resolveCollision({
      localRouterId: ip(local),
      remoteRouterId: ip(remote),
      localAs,
      remoteAs: 65002,
      existing: { state, origin: existing },
      fresh: { origin: fresh },
    }),
  ).toBe(verdict);
});
