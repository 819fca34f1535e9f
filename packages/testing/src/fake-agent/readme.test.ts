import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readScript } from './script.ts';
import { isStep, stepNames } from './steps.ts';

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');

function section(title: string): string {
  return readme.split(`### ${title}\n`)[1]?.split(/^##/m)[0] ?? '';
}

test('the README has one row for each step, with an example of it', () => {
  const examples = [...section('Its steps').matchAll(/^\| `(\{.*?\})` \|/gm)].map(([, json = '']): unknown => JSON.parse(json));
  for (const example of examples) expect(isStep(example), JSON.stringify(example)).toBe(true);
  expect(examples).toHaveLength(stepNames.length);
  expect(new Set(examples.flatMap((example) => Object.keys(example as object)))).toEqual(new Set(stepNames));
});

test('every script of the README is one', () => {
  const scripts = [...section('Faults to play').matchAll(/`(\[.*?\])`(?:,| \|)/g)].map(([, json = '']) => json);
  expect(scripts.length).toBeGreaterThan(12);
  for (const script of scripts) expect(() => readScript(script), script).not.toThrow();
});
