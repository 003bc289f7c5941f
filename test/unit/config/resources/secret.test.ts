import { describe, expect, test } from 'vitest';
import { read } from '../support.ts';

describe('Secret', () => {
  test('what is wrong is said without showing it', () => {
    const text = 'apiVersion: v1\nkind: Secret\nmetadata: { name: s }\ndata: { k: "hunter2!" }\n';
    expect(read(text).errors).toEqual(['test.yaml: document 1 (Secret s), line 4: data.k: must be text in base64']);
  });
});
