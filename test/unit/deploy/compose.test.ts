import { existsSync, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { formatIp, parseIp, parsePrefix, prefixContains } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { compile } from '../../../config/compile.ts';
import { loadConfig } from '../../../config/load.ts';
import { formatProblem } from '../../../config/problem.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

interface Attachment {
  readonly ipv4_address?: string;
  readonly ipv6_address?: string;
}

interface Service {
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly user?: string;
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks: Readonly<Record<string, Attachment>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { ipam: { config: readonly { subnet: string; gateway?: string }[] } }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;

/** Every fixed address of the file: service, network, address. */
const attachments = Object.entries(compose.services).flatMap(([service, { networks }]) =>
  Object.entries(networks).flatMap(([network, at]) =>
    [at.ipv4_address, at.ipv6_address].flatMap((address) =>
      address === undefined ? [] : [{ service, network, address }],
    ),
  ),
);

const serviceOf = (address: string): string | undefined => attachments.find((one) => one.address === address)?.service;

describe('docker-compose.yml', () => {
  /** Sub-schemas of the published schema carry `id`s of an older draft that name nothing. */
  function withoutIds(value: unknown, isProperties = false): unknown {
    if (Array.isArray(value)) return value.map((one) => withoutIds(one));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).filter(
      ([key, inner]) => isProperties || key !== 'id' || typeof inner !== 'string',
    );
    return Object.fromEntries(
      entries.map(([key, inner]) => [key, withoutIds(inner, key === 'properties' || key === 'definitions')]),
    );
  }

  const schema = withoutIds(JSON.parse(read('test/vectors/compose-spec.json'))) as Record<string, unknown>;
  // The specification's own formats (ports, duration, subnet) are not known to validators.
  const ajv = new Ajv2019({ strict: false, validateFormats: false, allErrors: true });
  const validate = ajv.compile({ ...schema, $schema: 'https://json-schema.org/draft/2019-09/schema' });

  test('is valid by the published schema of the Compose Specification', () => {
    expect({ isValid: validate(compose), errors: validate.errors }).toEqual({ isValid: true, errors: null });
  });

  test.each<[string, (file: { services: Record<string, Record<string, unknown>>; [key: string]: unknown }) => void]>([
    ['an unknown key of a service', (file) => Object.assign(file.services['tor'] ?? {}, { network: 'host' })],
    ['an unknown key at the top', (file) => Object.assign(file, { service: {} })],
    ['capabilities that are no list', (file) => Object.assign(file.services['tor'] ?? {}, { cap_add: 'NET_ADMIN' })],
    [
      'a health check without a form',
      (file) => Object.assign(file.services['tor'] ?? {}, { healthcheck: { test: 5 } }),
    ],
  ])('%s is found by it', (_name, spoil) => {
    const copy = structuredClone(compose) as unknown as Parameters<typeof spoil>[0];
    spoil(copy);
    expect(validate(copy)).toBe(false);
  });

  test('has the topology of the demonstration', () => {
    expect(Object.keys(compose.services)).toEqual(['tor', 'node1', 'node2', 'rr', 'redis']);
    const racks = (service: string): string[] =>
      Object.keys(compose.services[service]?.networks ?? {}).filter((name) => name.startsWith('rack'));
    expect(racks('node1')).toEqual(['rack1']);
    expect(racks('node2')).toEqual(['rack2']);
    expect(racks('tor')).toEqual(['rack1', 'rack2']);
  });

  test('addresses are fixed, unique, inside their subnet, and not that of its gateway', () => {
    const gateways = Object.values(compose.networks).flatMap((network) =>
      network.ipam.config.map((one) => one.gateway),
    );
    expect(new Set(attachments.map((one) => one.address)).size).toBe(attachments.length);
    for (const { network, address } of attachments) {
      expect(isIP(address)).toBeGreaterThan(0);
      const subnets = compose.networks[network]?.ipam.config.map((one) => parsePrefix(one.subnet)) ?? [];
      const at = parseIp(address);
      const isInside = subnets.some((subnet) => subnet !== undefined && at !== undefined && prefixContains(subnet, at));
      expect({ network, address, isInside }).toEqual({ network, address, isInside: true });
      expect(gateways).not.toContain(address);
    }
  });

  test('everything mounted from the checkout exists, every named volume is declared', () => {
    for (const volume of Object.values(compose.services).flatMap((service) => service.volumes ?? [])) {
      const [source = '', target = ''] = volume.split(':');
      expect(target.startsWith('/')).toBe(true);
      if (source.startsWith('./')) expect(statSync(root + source).isFile()).toBe(true);
      else expect(Object.keys(compose.volumes)).toContain(source);
    }
  });

  test('only what wires pods may do more than others: the reflector has neither root nor a capability', () => {
    expect(compose.services['rr']).toMatchObject({ user: '65532:65532', cap_drop: ['ALL'], read_only: true });
    expect(compose.services['rr']?.cap_add).toBeUndefined();
    for (const name of ['node1', 'node2']) {
      expect(compose.services[name]?.cap_add).toEqual(['NET_ADMIN', 'NET_RAW', 'NET_BIND_SERVICE', 'SYS_ADMIN']);
    }
    for (const service of Object.values(compose.services)) expect(service).not.toHaveProperty('privileged');
  });
});

describe('images', () => {
  const dockerfiles = [
    ...new Set(Object.values(compose.services).flatMap((service) => service.build?.dockerfile ?? [])),
  ];

  /** What the build context lets through, from .dockerignore: later lines win, `!` lets through. */
  function isInContext(path: string): boolean {
    let isIn = true;
    for (const line of read('.dockerignore').split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      const pattern = line.replace(/^!/, '');
      const matcher = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}(/|$)`);
      if (matcher.test(path)) isIn = line.startsWith('!');
    }
    return isIn;
  }

  test.each(dockerfiles)('%s copies what is there and in the build context', (dockerfile) => {
    const copies = read(dockerfile).matchAll(/^COPY (?!--from)(.+)$/gm);
    for (const [, words = ''] of copies) {
      for (const source of words.split(' ').slice(0, -1)) {
        expect({ source, isThere: existsSync(root + source), isInContext: isInContext(source) }).toEqual({
          source,
          isThere: true,
          isInContext: true,
        });
      }
    }
  });

  /** Modules that are loaded at run time: imports but of types, import(), and workers by URL. */
  const importPattern =
    /^(?:import|export) (?!type\b)[\w*{}\s,]+ from '([^']+)'|\bimport\('([^']+)'|new URL\('(\.[^']+\.ts)', import\.meta\.url\)/gm;

  test('the image of podroute holds every file that its programs import, and no package of developers', () => {
    const copied = [...read('deploy/image/podroute.Dockerfile').matchAll(/^COPY ([a-z].*) \S+$/gm)].flatMap(
      ([, words = '']) => words.split(' '),
    );
    const manifest = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    const packages = ['bgp-ts', ...Object.keys(manifest.dependencies)];
    const seen = new Set<string>();
    const missing: string[] = [];
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      if (!copied.some((one) => path === one || path.startsWith(`${one}/`))) missing.push(path);
      if (!path.endsWith('.ts')) return;
      for (const match of read(path).matchAll(importPattern)) {
        const named = match[1] ?? match[2] ?? match[3] ?? '';
        if (named.startsWith('.')) visit(join(dirname(path), named));
        else if (!named.startsWith('node:') && !packages.includes(named)) missing.push(`${path}: ${named}`);
      }
    };
    for (const entry of ['speaker/main.ts', 'bgpctl/main.ts', 'packages/bgp-ts/src/index.ts']) visit(entry);
    expect(missing).toEqual([]);
    expect(seen.size).toBeGreaterThan(80);
  });

  test('nothing private is in the build context', () => {
    for (const path of [
      '.git',
      'node_modules',
      'build',
      'test',
      'docs',
      'deploy/demo.ts',
      'packages/bgp-ts/test',
      '.env',
    ]) {
      expect([path, isInContext(path)]).toEqual([path, false]);
    }
  });
});

describe('the mounted configurations agree with it', () => {
  interface Resource {
    readonly kind: string;
    readonly metadata: { readonly name: string };
    readonly spec: Readonly<Record<string, unknown>>;
  }
  const resources = parseAllDocuments(read('deploy/image/compose/podroute.yaml')).map(
    (document) => document.toJS() as Resource,
  );
  const ofKind = (kind: string): Resource[] => resources.filter((resource) => resource.kind === kind);
  const frr = read('deploy/image/compose/frr.conf');
  const torAs = Number(/^router bgp (\d+)$/m.exec(frr)?.[1]);
  const asOf = new Map<string | undefined, unknown>([
    ['tor', torAs],
    ...ofKind('Node').map((node): [string, unknown] => [node.metadata.name, node.spec['asNumber']]),
  ]);

  /** Who is told to speak with whom: speaker, the address it calls, the AS it expects there. */
  const sessions = [
    ...ofKind('BGPPeer').map(({ spec }) => ({
      from: spec['node'],
      address: String(spec['peerIP']),
      asn: spec['asNumber'],
    })),
    ...[...frr.matchAll(/neighbor (\S+) remote-as (\d+)/g)].map(([, address = '', asn]) => ({
      from: 'tor',
      address,
      asn: Number(asn),
    })),
  ];

  test('each daemon is told a Node that is configured, under its own address', () => {
    for (const name of ['node1', 'node2', 'rr']) {
      const { command = [], networks } = compose.services[name] ?? { networks: {} };
      expect(command[command.indexOf('--node') + 1]).toBe(name);
      const node = ofKind('Node').find((one) => one.metadata.name === name);
      const own = Object.values(networks).flatMap((at) => [at.ipv4_address, at.ipv6_address]);
      for (const key of ['ipv4Address', 'ipv6Address']) expect(own).toContain(String(node?.spec[key]).split('/')[0]);
    }
  });

  test('each session is configured on both sides, with the AS of the other, on a network that both are on', () => {
    expect(sessions).toHaveLength(8);
    for (const { from, address, asn } of sessions) {
      const to = serviceOf(address);
      expect({ from, address, asn }).toEqual({ from, address, asn: asOf.get(to) });
      const network = attachments.find((one) => one.address === address)?.network ?? '';
      const own = attachments
        .filter((one) => one.service === from && one.network === network)
        .map((one) => one.address);
      expect(own).not.toHaveLength(0);
      expect(sessions.some((back) => back.from === to && own.includes(back.address))).toBe(true);
    }
  });

  test.each(['node1', 'node2', 'rr'])('podroute.yaml loads and compiles for %s without a word', async (name) => {
    const { resources: loaded, problems } = await loadConfig(`${root}deploy/image/compose/podroute.yaml`);
    expect(problems).toEqual([]);
    const compiled = compile(loaded, name);
    if (!compiled.ok) throw new Error(compiled.error.map(formatProblem).join('\n'));
    expect(compiled.value.warnings.map(formatProblem)).toEqual([]);
    const { state } = compiled.value;
    const peers = state.peers.map((peer) => `${peer.name} ${peer.kind} ${formatIp(peer.address)}`);
    const expected = {
      node1: ['node1-rr ibgp 10.0.1.20', 'node1-tor ebgp 10.0.1.1'],
      node2: ['node2-rr ebgp 10.0.2.20', 'node2-tor ebgp 10.0.2.1'],
      rr: ['rr-node1 ibgp 10.0.1.10', 'rr-node2 ebgp 10.0.2.10'],
    }[name];
    expect(peers).toEqual(expected);
    expect(state.fib.enabled).toBe(name !== 'rr');
    expect(state.cni.enabled).toBe(name !== 'rr');
    expect(state.blocks.length).toBe(name === 'rr' ? 0 : 2);
    expect(state.peers.every((peer) => peer.importPolicy.mode === 'configured')).toBe(true);
  });

  test('the names of FRR and of the container are one, and its daemons are switched on', () => {
    expect(frr).toContain('hostname tor\n');
    expect(read('deploy/image/compose/frr-daemons')).toContain('bgpd=yes\n');
  });

  test('Redis listens on its own address only', () => {
    expect(read('deploy/image/compose/redis.conf')).toContain(
      `bind ${compose.services['redis']?.networks['store']?.ipv4_address} `,
    );
  });
});
