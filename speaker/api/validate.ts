import { parseIp, parsePrefix } from 'bgp-ts';
import { z } from 'zod';
import type { ApiProblem, RoutesQuery } from '../../lib/api.ts';
import { ControlError } from './control-surface.ts';

/**
 * A query or body after validation; keys that the schema does not know are refused, so that a misspelt filter never shows
 * everything. Without a schema nothing may be sent.
 * @throws ControlError `invalid-request` naming every problem
 */
export function validate(where: 'query' | 'body', schema: z.ZodObject | undefined, value: unknown): unknown {
  const parsed = (schema ?? z.object({})).strict().safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue): ApiProblem => {
    if (issue.code === 'unrecognized_keys') {
      const known = Object.keys(schema?.shape ?? {});
      const wanted = known.length === 0 ? 'nothing is taken here' : `known: ${known.join(', ')}`;
      return { path: where, message: `unknown field ${issue.keys.map((key) => `'${key}'`).join(', ')} (${wanted})` };
    }
    return { path: [where, ...issue.path].join('.'), message: issue.message };
  });
  throw invalid(problems);
}

/**
 * What the schema cannot say about a routes query.
 * @throws ControlError `invalid-request`
 */
export function checkRoutesQuery(query: RoutesQuery): RoutesQuery {
  const problems: ApiProblem[] = [];
  if (query.view !== 'loc-rib' && query.peer === undefined) {
    problems.push({ path: 'query.peer', message: `the ${query.view} view is of one peer: name it` });
  }
  if (query.view === 'loc-rib' && query.peer !== undefined) {
    problems.push({
      path: 'query.peer',
      message: 'the loc-rib view is of all peers; ask for view=received or view=advertised',
    });
  }
  if (query.best === true && query.view !== 'loc-rib') {
    problems.push({ path: 'query.best', message: `only the loc-rib view has best paths, not ${query.view}` });
  }
  if (query.longer === true && query.prefix === undefined) {
    problems.push({ path: 'query.longer', message: 'longer than which prefix? give prefix too' });
  }
  if (query.longer === true && query.prefix !== undefined && parseIp(query.prefix) !== undefined) {
    problems.push({ path: 'query.longer', message: `${query.prefix} is an address: nothing is longer; give a prefix` });
  }
  problems.push(...prefixProblems(query.prefix));
  if (problems.length > 0) throw invalid(problems);
  return query;
}

/** The same for a query with a prefix only. @throws ControlError `invalid-request` */
export function checkPrefixQuery<Q extends { readonly prefix?: string | undefined }>(query: Q): Q {
  const problems = prefixProblems(query.prefix);
  if (problems.length > 0) throw invalid(problems);
  return query;
}

function prefixProblems(text: string | undefined): ApiProblem[] {
  if (text === undefined || parsePrefix(text) !== undefined || parseIp(text) !== undefined) return [];
  const hint = /^[0-9a-fA-F.:]+\/\d+$/.test(text) ? ' without host bits' : '';
  return [
    {
      path: 'query.prefix',
      message: `'${text}': expected an address or a prefix${hint}, such as 10.1.0.0/24 or 2001:db8::/64`,
    },
  ];
}

function invalid(problems: readonly ApiProblem[]): ControlError {
  const words = problems.map((problem) => `${problem.path}: ${problem.message}`).join('; ');
  return new ControlError('invalid-request', words, problems);
}
