import { expect, test } from 'vitest';
import { lookOf } from './look.ts';

const terminal = { write: () => {}, isTTY: true, columns: 90 };
const pipe = { write: () => {}, isTTY: false };

test.each<[string, typeof terminal | typeof pipe, NodeJS.ProcessEnv, { color: boolean; live: boolean; unicode: boolean }]>([
  ['a terminal', terminal, { LANG: 'en_US.UTF-8' }, { color: true, live: true, unicode: true }],
  ['a terminal without a locale', terminal, {}, { color: true, live: true, unicode: true }],
  ['a pipe', pipe, {}, { color: false, live: false, unicode: true }],
  ['NO_COLOR', terminal, { NO_COLOR: '1' }, { color: false, live: true, unicode: true }],
  ['an empty NO_COLOR', terminal, { NO_COLOR: '' }, { color: true, live: true, unicode: true }],
  ['FORCE_COLOR on a pipe', pipe, { FORCE_COLOR: '1' }, { color: true, live: false, unicode: true }],
  ['FORCE_COLOR=0', terminal, { FORCE_COLOR: '0' }, { color: false, live: true, unicode: true }],
  ['both', pipe, { FORCE_COLOR: '1', NO_COLOR: '1' }, { color: true, live: false, unicode: true }],
  ['CI', terminal, { CI: 'true' }, { color: true, live: false, unicode: true }],
  ['TERM=dumb', terminal, { TERM: 'dumb' }, { color: false, live: false, unicode: false }],
  ['a locale without UTF-8', terminal, { LC_ALL: 'C', LANG: 'en_US.UTF-8' }, { color: true, live: true, unicode: false }],
  ['an agent at the other end', terminal, { CLAUDECODE: '1' }, { color: false, live: false, unicode: true }],
  ['another agent', terminal, { CODEX_THREAD_ID: '0199' }, { color: false, live: false, unicode: true }],
  ['AI_AGENT', terminal, { AI_AGENT: 'x' }, { color: false, live: false, unicode: true }],
])('%s', (_, output, env, expected) => expect(lookOf(output, env)).toMatchObject(expected));

test('the flag beats everything', () => {
  expect(lookOf(pipe, { NO_COLOR: '1' }, 'always').color).toBe(true);
  expect(lookOf(terminal, { FORCE_COLOR: '1' }, 'never').color).toBe(false);
});

test('only a terminal has a width to be cut to', () => {
  expect(lookOf(terminal, {}).width).toBe(90);
  expect(lookOf(pipe, {}).width).toBe(Number.POSITIVE_INFINITY);
  expect(lookOf(terminal, { AGENT: '1' }).width).toBe(Number.POSITIVE_INFINITY);
});

test('a terminal whose size nobody set, 0 by 0, is taken for one of 80 columns', () => {
  expect(lookOf({ ...terminal, columns: 0 }, {}).width).toBe(80);
});
