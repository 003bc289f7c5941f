import { formatPrefix, ip, Origin, prefix } from 'bgp-ts';
import { expect, test } from 'vitest';
import { acceptAll } from '../../../rib/policy/evaluate.ts';
import { RibLab } from '../../support/rib-lab.ts';

const far = ip('198.51.100.1');

test('when work says that nothing is left, the routes of a next hop that came back are selected', () => {
  const lab = new RibLab();
  const peer = lab.peer({
    name: 'peer',
    address: ip('10.0.0.2'),
    kind: 'ebgp',
    remoteAs: 65000,
    localAs: 64999,
    importPolicy: acceptAll,
    exportPolicy: acceptAll,
  });
  const best = () => [...lab.rib.routes({ bestOnly: true })].map((path) => formatPrefix(path.prefix));
  lab.metrics.set(far.octets.join('.'), undefined);
  peer.up();
  const attributes = { origin: Origin.Igp, asPath: [{ type: 'sequence' as const, asns: [65000] }], nextHop: far };
  peer.announce([prefix('203.0.113.0/24')], attributes);
  while (lab.rib.work(0));
  expect(best()).toEqual([]);

  lab.metrics.set(far.octets.join('.'), 0);
  lab.rib.nextHopChanged(far);
  while (lab.rib.work(0));
  expect(best()).toEqual(['203.0.113.0/24']);

  lab.metrics.set(far.octets.join('.'), undefined);
  lab.rib.nextHopChanged(far);
  while (lab.rib.work(0));
  expect(best()).toEqual([]);
});
