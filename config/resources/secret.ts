import { z } from 'zod';
import { err, ok } from '../../lib/result.ts';
import { SecretText } from '../secret.ts';
import { field, text } from '../values.ts';
import type { KindDefinition, Resource } from './resource.ts';

/** A Kubernetes Secret: texts by key. */
export type SecretResource = Resource<'Secret', ReadonlyMap<string, SecretText>>;

const base64 = field((value) => {
  const result = text(1_000_000)(value);
  if (!result.ok) return err('must be text in base64');
  const compact = result.value.replaceAll(/\s/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.length % 4 !== 0) return err('must be text in base64');
  return ok(Buffer.from(compact, 'base64').toString('utf8'));
});

const plain = field((value) => (typeof value === 'string' ? ok(value) : err('must be text, so put it in quotes')));

/** Secret of the core API: only its texts are of interest; messages never show them. */
export const secret: KindDefinition<'Secret', ReadonlyMap<string, SecretText>> = {
  kind: 'Secret',
  at: 'document',
  spec: z
    .object({ data: z.record(z.string(), base64).optional(), stringData: z.record(z.string(), plain).optional() })
    .transform(({ data, stringData }) => {
      const texts = Object.entries({ ...data, ...stringData });
      return new Map(texts.map(([key, value]) => [key, new SecretText(value)]));
    }),
};
