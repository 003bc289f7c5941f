import { describe } from 'vitest';
import { podroute } from '../support.ts';
import { check } from './check.ts';

describe('Speaker', () => {
  check(
    (spec) => podroute('Speaker', 'default', spec),
    [
      [
        'everything',
        'fib: { enabled: true, table: 100, metric: 50, discardMetric: 60, discardType: blackhole, protocol: 200, keepRoutes: false, nextHopObjects: off }\ncni: { enabled: true, mtu: 9000, socket: /run/cni.sock, state: /var/lib/s.db }\napi: { socket: /run/api.sock }\nlog: { level: debug }\nsecretsDirectory: /etc/secrets',
        [],
      ],
      [
        'a discard metric that is too good',
        'fib: { metric: 100, discardMetric: 100 }',
        ['spec.fib.discardMetric: 100: must be more than fib.metric, or discard routes would cover real ones'],
      ],
      [
        'a discard metric below the default',
        'fib: { discardMetric: 1024 }',
        ['spec.fib.discardMetric: 1024: must be more than fib.metric, or discard routes would cover real ones'],
      ],
      ['a protocol that others use', 'fib: { protocol: 4 }', ['spec.fib.protocol: 4: must be from 5 to 255']],
      [
        'nexthop objects neither here nor there',
        'fib: { nextHopObjects: maybe }',
        ['spec.fib.nextHopObjects: "maybe": must be auto or off'],
      ],
      ['a small MTU', 'cni: { mtu: 1000 }', ['spec.cni.mtu: 1000: must be from 1280 to 65535']],
      [
        'a path that is relative',
        'api: { socket: api.sock }',
        ['spec.api.socket: "api.sock": must be a path that begins with /'],
      ],
      [
        'a socket path that is too long',
        `cni: { socket: /${'a'.repeat(107)} }`,
        ['spec.cni.socket: 108 characters: at most 107 are allowed'],
      ],
    ],
  );
});
