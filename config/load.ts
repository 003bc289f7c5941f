import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { errorMessage } from '../lib/result.ts';
import { parseDocuments, parseStored } from './document.ts';
import type { Problem } from './problem.ts';
import {
  type ResourceSet,
  type SecretLookup,
  type SecretReference,
  secretId,
  secretReferences,
  secretsInResources,
  toResourceSet,
} from './resource-set.ts';
import { type AnyResource, readAnyResource } from './resources/table.ts';
import { SecretText } from './secret.ts';
import {
  type DetectedAddresses,
  mergeRegistered,
  mergeStored,
  nothingShared,
  registeredNodeText,
  type SharedConfig,
  withDetected,
} from './shared.ts';

/** Where Secrets are looked for that no file of the configuration holds: DIRECTORY/NAME/KEY, as Kubernetes mounts them. */
export const DEFAULT_SECRETS_DIRECTORY = '/etc/podroute/secrets';

/** Longest key that the kernel takes (TCP_MD5SIG_MAXKEYLEN), in octets. */
const MAX_KEY_OCTETS = 80;

/** A configuration that was read. With errors among the problems it must not be used. */
export interface LoadedConfig {
  readonly resources: ResourceSet;
  readonly problems: readonly Problem[];
}

/** A file of the configuration. */
export interface ConfigFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Reads a configuration: a YAML (or JSON) file, or all `*.yaml`, `*.yml` and `*.json` files of a directory in order of name.
 * Never throws: what cannot be read is a problem like any other.
 * @param shared what the cluster adds to it
 * @param self which node this is, where that is known
 * @param detected addresses of that node, where its Node names none
 */
export async function loadConfig(
  path: string,
  shared: SharedConfig = nothingShared,
  self?: string,
  detected: DetectedAddresses = {},
): Promise<LoadedConfig> {
  const { files, problems, directory } = await readFiles(path);
  const inFiles = parseResources(files);
  const stored = parseResources(shared.documents, parseStored);
  const merged = mergeStored(inFiles.resources, stored.resources);
  const registered = parseResources(
    shared.nodes.map((node) => ({ name: `registration of ${node.name}`, text: registeredNodeText(node) })),
    parseStored,
  );
  const resources = withDetected(mergeRegistered(merged.resources, registered.resources, self), self, detected);
  const secrets = await readSecrets(resources, directory);
  return {
    resources: toResourceSet(resources, secrets),
    problems: [...problems, ...inFiles.problems, ...stored.problems, ...merged.problems],
  };
}

/** Reads the resources of files that are already in memory. */
export function parseResources(
  files: readonly ConfigFile[],
  parse = parseDocuments,
): { resources: AnyResource[]; problems: Problem[] } {
  const resources: AnyResource[] = [];
  const problems: Problem[] = [];
  const seen = new Map<string, AnyResource>();
  for (const file of files) {
    const documents = parse(file.name, file.text);
    problems.push(...documents.problems);
    for (const raw of documents.resources) {
      const read = readAnyResource(raw);
      problems.push(...read.problems);
      const { resource } = read;
      if (resource === undefined) continue;
      const id = `${resource.kind} ${resource.name}`;
      const other = seen.get(id);
      if (other !== undefined) {
        problems.push(twice(resource, other));
        continue;
      }
      seen.set(id, resource);
      resources.push(resource);
    }
  }
  return { resources, problems };
}

function twice(resource: AnyResource, other: AnyResource): Problem {
  const { file, document } = resource.origin;
  return {
    severity: 'error',
    file,
    document,
    resource: `${resource.kind} ${resource.name}`,
    line: resource.origin.lineOf(['metadata', 'name']),
    path: 'metadata.name',
    message: `is there twice: also in ${other.origin.file}, document ${other.origin.document}`,
  };
}

interface FilesRead {
  readonly files: readonly ConfigFile[];
  readonly problems: readonly Problem[];
  /** What relative paths in the configuration start from. */
  readonly directory: string;
}

async function readFiles(path: string): Promise<FilesRead> {
  const failed = (file: string, thrown: unknown): Problem => {
    return { severity: 'error', file, path: '', message: `cannot be read: ${errorMessage(thrown)}` };
  };
  let names: string[];
  let directory: string;
  try {
    if ((await stat(path)).isDirectory()) {
      directory = resolve(path);
      names = (await readdir(path)).filter((name) => /\.(ya?ml|json)$/.test(name) && !name.startsWith('.')).sort();
    } else {
      directory = dirname(resolve(path));
      names = [basename(path)];
    }
  } catch (thrown) {
    return { files: [], problems: [failed(path, thrown)], directory: '/' };
  }
  if (names.length === 0) {
    const message = 'has no *.yaml, *.yml or *.json file';
    return { files: [], problems: [{ severity: 'error', file: path, path: '', message }], directory };
  }
  const files: ConfigFile[] = [];
  const problems: Problem[] = [];
  for (const name of names) {
    try {
      files.push({ name, text: await readFile(join(directory, name), 'utf8') });
    } catch (thrown) {
      problems.push(failed(name, thrown));
    }
  }
  return { files, problems, directory };
}

async function readSecrets(
  resources: readonly AnyResource[],
  directory: string,
): Promise<ReadonlyMap<string, SecretLookup>> {
  const inline = secretsInResources(resources);
  const secretsDirectory = resources
    .flatMap((resource) => (resource.kind === 'Speaker' ? [resource.spec.secretsDirectory] : []))
    .find((path) => path !== undefined);
  const secrets = new Map<string, SecretLookup>();
  for (const reference of secretReferences(resources)) {
    const path = secretPath(reference, directory, secretsDirectory ?? DEFAULT_SECRETS_DIRECTORY);
    const found = lookupInline(reference, inline) ?? (await readSecretFile(path));
    secrets.set(secretId(reference), found);
  }
  return secrets;
}

/** A Secret among the resources: its key, or that the Secret lacks it; nothing if there is no such Secret. */
export function lookupInline(
  reference: SecretReference,
  secrets: readonly { readonly name: string; readonly spec: ReadonlyMap<string, SecretText> }[],
): SecretLookup | undefined {
  if (reference.type === 'file') return undefined;
  const secret = secrets.find((candidate) => candidate.name === reference.name);
  if (secret === undefined) return undefined;
  const key = secret.spec.get(reference.key);
  if (key === undefined) return { type: 'missing', reason: `Secret ${secret.name} has no key ${reference.key}` };
  return checkKey(key.reveal(), secretId(reference));
}

function secretPath(reference: SecretReference, directory: string, secretsDirectory: string): string {
  if (reference.type === 'file') return resolve(directory, reference.path);
  return join(secretsDirectory, reference.name, reference.key);
}

async function readSecretFile(path: string): Promise<SecretLookup> {
  try {
    // a line end is an editor's doing, not part of the key
    return checkKey((await readFile(path, 'utf8')).replace(/\r?\n$/, ''), path);
  } catch (thrown) {
    const isMissing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
    return isMissing
      ? { type: 'missing', reason: `${path} does not exist` }
      : { type: 'unreadable', reason: `${path} cannot be read: ${errorMessage(thrown)}` };
  }
}

function checkKey(text: string, where: string): SecretLookup {
  const octets = Buffer.byteLength(text);
  if (octets === 0) return { type: 'unreadable', reason: `${where} is empty` };
  if (octets > MAX_KEY_OCTETS) {
    return { type: 'unreadable', reason: `${where} has ${octets} octets: the kernel takes at most ${MAX_KEY_OCTETS}` };
  }
  return { type: 'key', key: new SecretText(text) };
}
