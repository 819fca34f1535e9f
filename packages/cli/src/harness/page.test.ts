import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rules } from '@singletree/harness/testing';
import claude from '@singletree/harness-claude';
import { describe, expect, test } from 'vitest';
import { page, root } from './page.testsuite.ts';

const text = readFileSync(page, 'utf8');
const source = (file: string): string => readFileSync(join(root, 'packages/harness/src', file), 'utf8');

/** The names in the first column of the tables below a heading. */
function told(heading: string): string[] {
  const [, section = ''] = new RegExp(`^## ${heading}$(.*?)(?=^## |$(?![\\s\\S]))`, 'ms').exec(text) ?? [];
  return [...section.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
}

describe('docs/harnesses/README.md', () => {
  test('names every member of the contract, and every capability', () => {
    const contract = source('contract.ts');
    const members = (name: string): string[] => {
      const [, body = ''] = new RegExp(`export interface ${name}\\b.*?\\{\\n(.*?)^\\}`, 'ms').exec(contract) ?? [];
      return [...body.matchAll(/^  (?:readonly )?(\w+)\??[:(]/gm)].map(([, member = '']) => member);
    };
    const named = new Set(told('The contract'));
    const known = [...members('Harness'), ...members('Capabilities')];
    expect(known.length).toBeGreaterThan(20);
    expect(known.filter((member) => !named.has(member))).toEqual([]);
    expect([...named].filter((member) => !known.includes(member))).toEqual([]);
  });

  test('names every kind of event', () => {
    const kinds = [...source('events.ts').matchAll(/readonly kind: '([\w.]+)'/g)].map(([, kind = '']) => kind);
    expect(new Set(told('Events'))).toEqual(new Set(kinds));
  });

  test('names every rule of the suite', () => {
    const named = told('Trying a plugin');
    expect(named).toEqual(expect.arrayContaining([...rules, 'package']));
  });
});

test('docs/harnesses/claude.md tells every known limit', () => {
  const told = readFileSync(join(root, 'docs/harnesses/claude.md'), 'utf8');
  expect(claude.knownLimits?.filter(({ versions, text: limit }) => !told.includes(`| ${versions} | ${limit} |`))).toEqual([]);
});
