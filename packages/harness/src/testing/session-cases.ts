import type { Harness, Reconciliation, ReconcileInput } from '../contract.ts';
import { foldUsage } from '../usage.ts';
import type { ConformanceCase, Subject } from './case.ts';
import type { Fixture, RecordedSession } from './fixtures.ts';
import { check, comesTo, play, same } from './play.ts';
import { below, seeded } from './random.ts';

/** What a plugin makes of the files that its CLI keeps of a session. */
export function sessionCases({ harness, fixtures, seed }: Subject): ConformanceCase[] {
  const recorded = fixtures.flatMap((fixture) => (fixture.session ? [{ ...fixture, session: fixture.session }] : []));
  return [
    {
      rule: 'session files',
      name: 'they are looked for below HOME or the folder of a variable, by the id of the session',
      run: () => patternsAreNarrow(harness),
    },
    {
      rule: 'session files',
      name: 'reconcile and sessionFiles are there together, and a recording shows what they tell',
      run: () => {
        const asks = harness.sessionFiles !== undefined || harness.sessionQueries !== undefined;
        check(!harness.reconcile || asks, 'reconcile is there, but neither sessionFiles nor sessionQueries names a file for it');
        check(!harness.reconcile || recorded.length > 0, 'reconcile is there, but no recording has session files that show what it tells');
      },
    },
    ...recorded.map((fixture): ConformanceCase => ({
      rule: 'session files',
      name: `${fixture.name}: every file is one that the plugin asks for`,
      run: () => areAskedFor(harness, fixture.session),
    })),
    ...recorded.map((fixture): ConformanceCase => ({
      rule: 'reconciliation',
      name: `${fixture.name}: output and session files together come to what was used`,
      run: () => comesTo(fixture.session.expected, { ...foldUsage(play(harness, fixture), harness.capabilities, ask(harness, fixture)) }),
    })),
    ...recorded.map((fixture): ConformanceCase => ({
      rule: 'reconciliation',
      name: `${fixture.name}: the same files give the same figures, and are not changed`,
      run: () => {
        const before = fixture.session.files.map(({ bytes }) => Buffer.from(bytes));
        const first = ask(harness, fixture);
        same(ask(harness, fixture), first, 'figures when asked again');
        same(
          fixture.session.files.map(({ bytes }) => Buffer.from(bytes)),
          before,
          'session files afterwards',
        );
      },
    })),
    ...recorded.map((fixture): ConformanceCase => ({
      rule: 'reconciliation',
      name: `${fixture.name}: files that were cut off anywhere never throw (seed ${seed})`,
      run: () => {
        const random = seeded(seed);
        for (let round = 0; round < 20; round += 1) {
          const files = fixture.session.files.map(({ path, bytes }) => ({
            path,
            bytes: bytes.subarray(0, below(random, bytes.length + 1)),
          }));
          ask(harness, fixture, { files });
          harness.baseline?.(fixture.session.id, files);
        }
      },
    })),
    {
      rule: 'reconciliation',
      name: 'without any file nothing is told, or a lower bound',
      run: () => {
        for (const fixture of fixtures) {
          const sessionId = fixture.session?.id ?? '00000000-0000-4000-8000-000000000000';
          const told = harness.reconcile?.({ sessionId, files: [], baseline: fixture.baseline, events: play(harness, fixture) });
          check(told === undefined || told.lowerBound, `${fixture.name}: although there is no file, its figures are said to be complete`);
        }
      },
    },
  ];
}

function ask(
  harness: Harness,
  fixture: Fixture & { readonly session: RecordedSession },
  more: Partial<ReconcileInput> = {},
): Reconciliation | undefined {
  const { id: sessionId, files } = fixture.session;
  const told = harness.reconcile?.({ sessionId, files, baseline: fixture.baseline, events: play(harness, fixture), ...more });
  if (told !== undefined) same(JSON.parse(JSON.stringify(told)), told, 'the reconciliation as plain data');
  return told;
}

const anId = '00000000-0000-4000-8000-000000000000';

function patternsAreNarrow(harness: Harness): void {
  const patterns = harness.sessionFiles?.(anId, []) ?? [];
  const queries = harness.sessionQueries?.(anId) ?? [];
  for (const pattern of [...patterns, ...queries.map(({ path }) => path)]) {
    check(!pattern.startsWith('/'), `"${pattern}" is an absolute path`);
    check(!pattern.split('/').includes('..') && !pattern.includes('**'), `"${pattern}" holds ".." or "**"`);
  }
  check(
    patterns.length === 0 || patterns.some((pattern) => pattern.includes(anId)),
    'no pattern names the session: the files of every session would be read',
  );
  for (const { path, sql, parameters } of queries) {
    check(!path.includes('*'), `"${path}": the path of a database is no pattern`);
    check(
      /^\s*(SELECT|WITH)\b/i.test(sql) && !sql.trimEnd().slice(0, -1).includes(';'),
      `the query of ${path} is not one statement that only reads`,
    );
    const places = sql.replaceAll(/'[^']*'/g, '').split('?').length - 1;
    check(places === parameters.length, `the query of ${path} has ${places} places for ${parameters.length} parameters`);
    check(parameters.includes(anId) && !sql.includes(anId), `the query of ${path} does not take the session as a parameter`);
  }
}

function areAskedFor(harness: Harness, { id, files }: RecordedSession): void {
  const databases = (harness.sessionQueries?.(id) ?? []).map(({ path }) => path);
  const found = files.filter(({ path }) => databases.includes(path));
  for (;;) {
    const patterns = harness.sessionFiles?.(id, found) ?? [];
    const more = files.filter((file) => !found.includes(file) && patterns.some((pattern) => fits(file.path, pattern)));
    if (more.length === 0) break;
    found.push(...more);
  }
  const missing = files.find((file) => !found.includes(file));
  check(missing === undefined, `nothing that sessionFiles or sessionQueries names fits ${missing?.path}`);
}

/** `*` matches within one name. */
function fits(path: string, pattern: string): boolean {
  const literal = (part: string): string => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(`^${pattern.split('*').map(literal).join('[^/]*')}$`, 's').test(path);
}
