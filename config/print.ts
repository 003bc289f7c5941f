import { formatIp, formatPrefix, type IpAddress, type Prefix, parseIp, parsePrefix } from 'bgp-ts';
import { Document, parseDocument, Scalar, type ScalarTag } from 'yaml';
import type { DesiredState } from './desired-state.ts';
import type { AnyResource } from './resources/table.ts';
import { SecretText } from './secret.ts';

/** What to do with secrets in printed text: `hide` writes `[secret]` in their place, and such text does not load to the same. */
export interface PrintOptions {
  readonly secrets: 'hide' | 'reveal';
}

const HIDDEN = '[secret]';

/** Resources as a YAML text of one document each, which loads to the same resources. Comments are not kept. */
export function printResources(resources: readonly AnyResource[], options: PrintOptions): string {
  return resources.map((resource) => toYaml(rawOf(resource, options))).join('---\n');
}

function rawOf(resource: AnyResource, { secrets }: PrintOptions): unknown {
  if (resource.kind !== 'Secret' || secrets === 'reveal') return resource.raw;
  const hide = (value: unknown) =>
    typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.keys(value).map((key) => [key, HIDDEN]))
      : value;
  const { data, stringData, ...rest } = resource.raw;
  return {
    ...rest,
    ...(data === undefined ? {} : { data: hide(data) }),
    ...(stringData === undefined ? {} : { stringData: hide(stringData) }),
  };
}

function toYaml(value: unknown): string {
  return new Document(value).toString({ lineWidth: 120 });
}

/**
 * A desired state as YAML, for reading and for keeping: {@link parseState} makes the same state of it. Addresses are written as
 * `!ip 10.0.0.1`, prefixes as `!prefix 10.0.0.0/8`, octets as `!octets 00ff`, secrets as `!secret` and their text.
 */
export function printState(state: DesiredState, options: PrintOptions): string {
  const document = new Document(tagged(state, options), { customTags: TAGS, aliasDuplicateObjects: false });
  return document.toString({ lineWidth: 120 });
}

/**
 * The state that {@link printState} printed.
 * @throws Error if the text is no YAML or holds a value that its tag does not allow
 */
export function parseState(text: string): DesiredState {
  const document = parseDocument(text, { customTags: TAGS });
  const [problem] = document.errors;
  if (problem !== undefined) throw problem;
  return document.toJS() as DesiredState;
}

function scalarTag(tag: string, read: (text: string) => unknown): ScalarTag {
  return {
    tag,
    resolve(text) {
      const value = read(text);
      if (value === undefined) throw new Error(`${tag} ${text}: not readable`);
      return value;
    },
    stringify: (item) => String(item.value),
  };
}

const TAGS: ScalarTag[] = [
  scalarTag('!ip', parseIp),
  scalarTag('!prefix', parsePrefix),
  scalarTag('!octets', (text) =>
    /^([0-9a-f]{2})*$/.test(text) ? new Uint8Array(Buffer.from(text, 'hex')) : undefined,
  ),
  scalarTag('!secret', (text) => new SecretText(Buffer.from(text, 'base64').toString('utf8'))),
];

/** The value with tagged scalars in place of what YAML has no form for; undefined fields are left out. */
function tagged(value: unknown, options: PrintOptions): unknown {
  if (value instanceof SecretText) {
    const text = options.secrets === 'hide' ? HIDDEN : value.reveal();
    return scalar('!secret', Buffer.from(text).toString('base64'));
  }
  if (value instanceof Uint8Array) return scalar('!octets', Buffer.from(value).toString('hex'));
  if (Array.isArray(value)) return value.map((item) => tagged(item, options));
  if (typeof value !== 'object' || value === null) return value;
  if (isIpAddress(value)) return scalar('!ip', formatIp(value));
  if (isPrefix(value)) return scalar('!prefix', formatPrefix(value));
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [key, tagged(inner, options)]));
}

function scalar(tag: string, text: string): Scalar {
  const node = new Scalar(text);
  node.tag = tag;
  return node;
}

function isIpAddress(value: object): value is IpAddress {
  return (
    'octets' in value && value.octets instanceof Uint8Array && 'version' in value && Object.keys(value).length === 2
  );
}

function isPrefix(value: object): value is Prefix {
  if (!('address' in value) || !('length' in value) || Object.keys(value).length !== 2) return false;
  return typeof value.address === 'object' && value.address !== null && isIpAddress(value.address);
}
