import { readdirSync, readFileSync } from 'node:fs';
import { arrayOf, foldUsage, objectOf, stringOf, type Baseline, type HarnessEvent, type JsonObject } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import harness from './index.ts';

/** Real runs that were killed or resumed: their output, their session files, and what the model server says it served. */
const cases = ['2.1.197', '2.1.329'].flatMap((version) => {
  const folder = new URL(`../fixtures/${version}/sessions/`, import.meta.url);
  return readdirSync(folder).map((name) => ({ version, name, folder: new URL(`${name}/`, folder) }));
});

interface Session {
  readonly id: string;
  readonly baseline: Baseline | undefined;
  readonly files: readonly { path: string; bytes: Uint8Array }[];
  readonly expected: JsonObject;
  readonly events: readonly HarnessEvent[];
}

function read(folder: URL): Session {
  const told = objectOf(JSON.parse(readFileSync(new URL('case.json', folder), 'utf8')));
  const saved = objectOf(told['baseline']);
  const baseline = told['baseline'] === undefined ? undefined : { version: Number(saved['version']), data: objectOf(saved['data']) };
  const files = arrayOf(told['files']).map((entry) => {
    const { path, copy } = objectOf(entry);
    return { path: stringOf(path) ?? '', bytes: readFileSync(new URL(stringOf(copy) ?? '', folder)) };
  });
  const decoder = harness.decoder('stdout', baseline);
  const events = [...decoder.push(readFileSync(new URL('stdout.jsonl', folder))), ...decoder.end()];
  return { id: stringOf(told['sessionId']) ?? '', baseline, files, expected: objectOf(told['expected']), events };
}

function accountOf({ id, files, baseline, events }: Session): Readonly<Record<string, unknown>> {
  return { ...foldUsage(events, harness.capabilities, harness.reconcile?.({ sessionId: id, files, baseline, events })) };
}

describe('session files correct the account of a run', () => {
  test.each(cases)('$version $name', ({ folder }) => {
    const session = read(folder);
    const account = accountOf(session);
    const fields = Object.keys(session.expected);
    // null stands for a field that must be absent.
    const wanted = Object.fromEntries(fields.map((field) => [field, session.expected[field] ?? undefined]));
    expect(Object.fromEntries(fields.map((field) => [field, account[field]]))).toMatchObject(wanted);
  });

  test('without files the output has the last word', () => {
    const session = read(new URL('../fixtures/2.1.329/sessions/killed-in-tool/', import.meta.url));
    expect(accountOf({ ...session, files: [] })).toMatchObject({ provenance: 'reported', lowerBound: true });
  });

  test('a line that was being written when the CLI was killed is passed over', () => {
    const session = read(new URL('../fixtures/2.1.329/sessions/killed-in-tool/', import.meta.url));
    const files = session.files.map(({ path, bytes }) => ({
      path,
      bytes: Buffer.concat([bytes, Buffer.from('{"type":"assistant","mess')]),
    }));
    expect(accountOf({ ...session, files })['total']).toMatchObject(objectOf(session.expected['total']));
  });
});

describe('a baseline', () => {
  test('holds what the CLI saved last and the length of each file, as plain data', () => {
    const { id, files } = read(new URL('../fixtures/2.1.329/sessions/terminated/', import.meta.url));
    const baseline = harness.baseline?.(id, files);
    expect(JSON.parse(JSON.stringify(baseline))).toEqual(baseline);
    const [file] = files;
    expect(baseline?.data['bytes']).toEqual({ [file?.path ?? '']: file?.bytes.length });
    expect(Object.keys(objectOf(baseline?.data['modelUsage']))).toEqual(['claude-sonnet-4-5-20250929']);
  });

  test('of a session that has no conversation file there is none', () => {
    const { id, files } = read(new URL('../fixtures/2.1.329/sessions/terminated/', import.meta.url));
    expect(harness.baseline?.('another-id', files)).toBeUndefined();
    expect(harness.baseline?.(id, [])).toBeUndefined();
  });
});
