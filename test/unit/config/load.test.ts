import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { didYouMean, formatProblem } from '../../../config/problem.ts';
import { read } from './support.ts';

describe('problems say where', () => {
  test('file, document, resource, line and path; all at once', () => {
    const text = `# two documents
apiVersion: podroute.io/v1
kind: Node
metadata:
  name: node1
spec:
  asNumber: 64512
  ipv4Address: 10.0.0.1/24
  podCIDRs:
    - 10.1.0.0/24
    - 10.1.1.1/24
---
apiVersion: podroute.io/v1
kind: BGPPeer
metadata:
  name: tor
spec:
  peerIP: 10.0.0.300
  asNumber: 65000
  holdTime: 2
  passiv: true
`;
    expect(read(text, 'peers.yaml').errors).toEqual([
      'peers.yaml: document 1 (Node node1), line 11: spec.podCIDRs[1]: "10.1.1.1/24": has bits set behind its length; did you mean 10.1.1.0/24?',
      'peers.yaml: document 2 (BGPPeer tor), line 21: spec.passiv: unknown field; did you mean passive?',
      'peers.yaml: document 2 (BGPPeer tor), line 18: spec.peerIP: "10.0.0.300": must be an address, with a port as 192.0.2.1:179 or [2001:db8::1]:179',
      'peers.yaml: document 2 (BGPPeer tor), line 20: spec.holdTime: 2 s: must be 0 or at least 3 s (RFC 4271 §4.2)',
    ]);
  });

  test('what is missing is reported at what it is missing from', () => {
    const text = 'apiVersion: podroute.io/v1\nkind: BGPPeer\nmetadata:\n  name: tor\nspec:\n  peerIP: 10.0.0.1\n';
    expect(read(text).errors).toEqual([
      'test.yaml: document 1 (BGPPeer tor), line 6: spec.asNumber: is missing: peerIP needs it',
    ]);
  });

  test('an unknown field deep inside', () => {
    const text = `apiVersion: podroute.io/v1
kind: BGPFilter
metadata: { name: f }
spec:
  importV4:
    - action: Accept
    - action: Accept
      operations:
        - addComunity: { value: "1:1" }
`;
    expect(read(text).errors).toContain(
      'test.yaml: document 1 (BGPFilter f), line 9: spec.importV4[1].operations[0].addComunity: unknown field; did you mean addCommunity?',
    );
  });
});

/** Documents and the one problem that each has. */
const envelopes: readonly [string, string, 'error' | 'warning', string][] = [
  ['broken YAML', 'a: [1\nb: 2\n', 'error', 'test.yaml: document 1, line 2: not valid YAML: '],
  [
    'the same key twice',
    'a: 1\na: 2\n',
    'error',
    'test.yaml: document 1, line 2: not valid YAML: Map keys must be unique',
  ],
  [
    'a list',
    '- 1\n',
    'error',
    'test.yaml: document 1, line 1: must be a resource: a mapping with apiVersion, kind, metadata and spec',
  ],
  ['no apiVersion', 'kind: Node\n', 'error', 'test.yaml: document 1 (Node), line 1: apiVersion: is missing'],
  ['no kind', 'apiVersion: podroute.io/v1\n', 'error', 'test.yaml: document 1, line 1: kind: is missing'],
  [
    'another version',
    'apiVersion: podroute.io/v2\nkind: Node\n',
    'error',
    'test.yaml: document 1 (Node), line 1: apiVersion: "podroute.io/v2": this version is not known',
  ],
  [
    'a misspelt group',
    'apiVersion: podrote.io/v1\nkind: Node\n',
    'error',
    'test.yaml: document 1 (Node), line 1: apiVersion: "podrote.io/v1": did you mean podroute.io/v1?',
  ],
  [
    'a misspelt kind',
    'apiVersion: podroute.io/v1\nkind: BGPPer\n',
    'error',
    'test.yaml: document 1 (BGPPer), line 2: kind: "BGPPer": unknown kind of podroute.io/v1; did you mean BGPPeer?',
  ],
  [
    'a misspelt kind of Calico',
    'apiVersion: projectcalico.org/v3\nkind: BGPPeers\n',
    'warning',
    'test.yaml: document 1 (BGPPeers), line 2: kind: BGPPeers of projectcalico.org/v3 is not used by podroute; did you mean BGPPeer?',
  ],
  [
    'an unrelated kind of Calico',
    'apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: { name: default }\n',
    'warning',
    'test.yaml: document 1 (FelixConfiguration), line 1: is not used by podroute, ignored',
  ],
  [
    'an unrelated kind of Kubernetes',
    'apiVersion: apps/v1\nkind: DaemonSet\n',
    'warning',
    'test.yaml: document 1 (DaemonSet), line 1: DaemonSet of apps/v1 is not used by podroute, ignored',
  ],
  [
    'an unrelated core kind',
    'apiVersion: v1\nkind: Service\n',
    'warning',
    'test.yaml: document 1 (Service), line 1: Service of v1 is not used by podroute, ignored',
  ],
  [
    'no name',
    'apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nspec: {}\n',
    'error',
    'test.yaml: document 1 (BGPConfiguration), line 1: metadata.name: is missing',
  ],
  [
    'a name that is none',
    'apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata:\n  name: My_Name\nspec: {}\n',
    'error',
    'test.yaml: document 1 (BGPConfiguration My_Name), line 4: metadata.name: "My_Name": must be lower case letters, digits, "-" and "."',
  ],
  [
    'a field beside spec',
    'apiVersion: podroute.io/v1\nkind: Node\nmetadata: { name: a }\nspecs: {}\n',
    'error',
    'test.yaml: document 1 (Node a), line 4: specs: unknown field; did you mean spec?',
  ],
  [
    'a spec that is a list',
    'apiVersion: podroute.io/v1\nkind: Node\nmetadata: { name: a }\nspec: []\n',
    'error',
    'test.yaml: document 1 (Node a), line 4: spec: a list: must be a mapping',
  ],
  [
    'an unknown field of Calico',
    'apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: { name: default }\nspec: { asNumer: 1 }\n',
    'warning',
    'test.yaml: document 1 (BGPConfiguration default), line 4: spec.asNumer: unknown field; did you mean asNumber?, ignored',
  ],
];

describe('envelope', () => {
  test.each(envelopes)('%s', (_, text, severity, message) => {
    const { errors, warnings } = read(text);
    const [expected, other] = severity === 'error' ? [errors, warnings] : [warnings, errors];
    expect(expected).toHaveLength(1);
    expect(expected[0]?.startsWith(message)).toBe(true);
    expect(other).toEqual([]);
  });

  test('empty documents, comments and null are nothing', () => {
    expect(read('---\n# only a comment\n---\nnull\n---\n')).toEqual({ resources: [], errors: [], warnings: [] });
    expect(read('')).toEqual({ resources: [], errors: [], warnings: [] });
  });

  test('null fields and, for Calico, empty texts are not set', () => {
    const text = `apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: tor }
spec: { node: "", nodeSelector: "", peerIP: 192.0.2.1, asNumber: 65000, filters: null, password: }
`;
    const { resources, errors, warnings } = read(text);
    expect([errors, warnings]).toEqual([[], []]);
    expect(Object.keys(resources[0]?.spec ?? {})).toEqual(['peerIP', 'asNumber']);
  });

  test('crd.projectcalico.org/v1 is the same as projectcalico.org/v3', () => {
    const kinds = (apiVersion: string) => {
      const text = `apiVersion: ${apiVersion}\nkind: IPPool\nmetadata: { name: p }\nspec: { cidr: 10.0.0.0/16 }\n`;
      return read(text).resources.map(({ kind, dialect, spec }) => ({ kind, dialect, spec }));
    };
    expect(kinds('crd.projectcalico.org/v1')).toEqual(kinds('projectcalico.org/v3'));
    expect(kinds('crd.projectcalico.org/v1')).toHaveLength(1);
  });

  test('lists are the resources in them, with their lines', () => {
    const text = `apiVersion: projectcalico.org/v3
kind: IPPoolList
items:
  - metadata: { name: a }
    spec: { cidr: 10.0.0.0/16 }
  - metadata: { name: b }
    spec:
      cidr: 10.1.0.1/16
---
apiVersion: v1
kind: List
items:
  - apiVersion: podroute.io/v1
    kind: Node
    metadata: { name: n }
`;
    const { resources, errors } = read(text);
    expect(resources.map(({ kind, name }) => `${kind} ${name}`)).toEqual(['IPPool a', 'Node n']);
    expect(errors).toEqual([
      'test.yaml: document 1 (IPPool b), line 8: spec.cidr: "10.1.0.1/16": has bits set behind its length; did you mean 10.1.0.0/16?',
    ]);
  });

  test('a resource that is there twice', () => {
    const node = 'apiVersion: podroute.io/v1\nkind: Node\nmetadata: { name: a }\n';
    expect(read(`${node}---\n${node}`).errors).toEqual([
      'test.yaml: document 2 (Node a), line 7: metadata.name: is there twice: also in test.yaml, document 1',
    ]);
  });
});

describe('files', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'podroute-config-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });
  const node = (name: string) => `apiVersion: podroute.io/v1\nkind: Node\nmetadata: { name: ${name} }\n`;

  test('a directory: all its YAML and JSON files in order of name', async () => {
    await writeFile(join(directory, 'b.yml'), node('b'));
    await writeFile(join(directory, 'a.yaml'), node('a'));
    await writeFile(join(directory, 'c.json'), '{"apiVersion":"podroute.io/v1","kind":"Node","metadata":{"name":"c"}}');
    await writeFile(join(directory, '.d.yaml'), node('hidden'));
    await writeFile(join(directory, 'notes.txt'), 'nothing');
    await mkdir(join(directory, 'more'));
    const { resources, problems } = await loadConfig(directory);
    expect(problems).toEqual([]);
    expect(resources.nodes.map(({ name, origin }) => `${origin.file} ${name}`)).toEqual([
      'a.yaml a',
      'b.yml b',
      'c.json c',
    ]);
  });

  test('what cannot be read is a problem', async () => {
    const missing = await loadConfig(join(directory, 'none.yaml'));
    expect(missing.problems.map(formatProblem)[0]).toMatch(/none\.yaml: cannot be read: ENOENT/);
    const empty = await loadConfig(directory);
    expect(empty.problems.map(formatProblem)).toEqual([`${directory}: has no *.yaml, *.yml or *.json file`]);
    await mkdir(join(directory, 'a.yaml'));
    const odd = await loadConfig(directory);
    expect(odd.problems.map(formatProblem)[0]).toMatch(/^a\.yaml: cannot be read: EISDIR/);
  });

  const peer = (password: string) => `apiVersion: podroute.io/v1
kind: BGPPeer
metadata: { name: tor }
spec: { peerIP: 192.0.2.1, asNumber: 65000, ${password} }
`;
  const lookup = async (text: string) => {
    await writeFile(join(directory, 'config.yaml'), text);
    const { resources, problems } = await loadConfig(join(directory, 'config.yaml'));
    expect(problems).toEqual([]);
    const [found] = resources.secrets.values();
    return found?.type === 'key' ? found.key.reveal() : found;
  };

  test('a password file beside the configuration; its line end does not count', async () => {
    await writeFile(join(directory, 'tor.key'), 'pass word\n');
    expect(await lookup(peer('passwordFile: tor.key'))).toBe('pass word');
  });

  test('a password file that is not there, is empty, too long or a directory', async () => {
    const path = join(directory, 'tor.key');
    expect(await lookup(peer('passwordFile: tor.key'))).toEqual({ type: 'missing', reason: `${path} does not exist` });
    await writeFile(path, '\n');
    expect(await lookup(peer('passwordFile: tor.key'))).toEqual({ type: 'unreadable', reason: `${path} is empty` });
    await writeFile(path, 'x'.repeat(81));
    expect(await lookup(peer('passwordFile: tor.key'))).toEqual({
      type: 'unreadable',
      reason: `${path} has 81 octets: the kernel takes at most 80`,
    });
    expect(await lookup(peer('passwordFile: .'))).toMatchObject({ type: 'unreadable' });
  });

  const reference = 'password: { secretKeyRef: { name: bgp-secrets, key: tor } }';

  test('a Secret in the same file, in either form', async () => {
    const secret = 'apiVersion: v1\nkind: Secret\nmetadata: { name: bgp-secrets }\n';
    expect(await lookup(`${peer(reference)}---\n${secret}stringData: { tor: plain }\n`)).toBe('plain');
    expect(await lookup(`${peer(reference)}---\n${secret}data: { tor: YmFzZTY0 }\n`)).toBe('base64');
    expect(await lookup(`${peer(reference)}---\n${secret}data: { other: YmFzZTY0 }\n`)).toEqual({
      type: 'missing',
      reason: 'Secret bgp-secrets has no key tor',
    });
  });

  test('a Secret mounted as files', async () => {
    await mkdir(join(directory, 'secrets', 'bgp-secrets'), { recursive: true });
    await writeFile(join(directory, 'secrets', 'bgp-secrets', 'tor'), 'mounted');
    const speaker = `apiVersion: podroute.io/v1
kind: Speaker
metadata: { name: default }
spec: { secretsDirectory: ${join(directory, 'secrets')} }
`;
    expect(await lookup(`${peer(reference)}---\n${speaker}`)).toBe('mounted');
  });
});

test('secrets do not print', async () => {
  const { SecretText } = await import('../../../config/secret.ts');
  const { inspect } = await import('node:util');
  const secret = new SecretText('hunter2');
  const shown = [`${secret}`, JSON.stringify({ secret }), inspect({ secret }), String(secret)].join();
  expect(shown).not.toContain('hunter2');
  expect(secret.reveal()).toBe('hunter2');
});

test.each([
  ['holdTim', 'holdTime'],
  ['hodlTime', 'holdTime'],
  ['HOLDTIME', 'holdTime'],
  ['asnumber', 'asNumber'],
  ['peer', undefined],
  ['x', undefined],
])('did you mean: %s', (word, expected) => {
  expect(didYouMean(word, ['holdTime', 'asNumber', 'passive'])).toBe(expected);
});
