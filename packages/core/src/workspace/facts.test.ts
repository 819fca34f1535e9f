import { describe, expect, test } from 'vitest';

import { bench } from './bench.testsuite.ts';
import { repositoryFacts, sizeCategory } from './facts.ts';
import { languages } from './languages.ts';

describe('a repository', () => {
  const factsOf = async (script: string): Promise<unknown> => {
    const { open, git } = await bench(`${script}; git add -f .; git commit -qm first`);
    const workspace = await open();
    return repositoryFacts(git, workspace, workspace.head ?? '');
  };

  test('is of the language with most bytes of its own source', async () => {
    const script = `echo 'price()' > price.js; echo 'x' > a.py; seq 1000 > README.md; seq 2000 > data.json; mkdir -p vendor/x node_modules/y; seq 3000 > vendor/x/x.go; seq 3000 > node_modules/y/y.rb; seq 3000 > app.min.js; ln -s price.js link.rb`;
    expect(await factsOf(script)).toEqual({ language: 'javascript', repoSizeCategory: 'tiny', sourceBytes: 10, files: 7 });
  });

  test('counts tsx as typescript, and scripts without an extension by their first line', async () => {
    expect(await factsOf('seq 10 > a.ts; seq 40 > b.tsx; seq 30 > c.js')).toMatchObject({ language: 'typescript', sourceBytes: 213 });
    const script = `printf '#!/usr/bin/env -S python3.12 -u\\n%s\\n' "$(seq 50)" > run; printf '#!/bin/bash\\n' > s; printf '#!/bin/sh\\n' > no; chmod +x run s; printf plain > LICENSE`;
    expect(await factsOf(script)).toMatchObject({ language: 'python', sourceBytes: 185, files: 4 });
  });

  test('says in .gitattributes what is vendored or generated, and what is not', async () => {
    const script = `mkdir vendor gen; seq 100 > vendor/mine.go; seq 900 > gen/g.py; seq 10 > a.rb; printf 'vendor/** -linguist-vendored\\ngen/** linguist-generated=true\\n' > .gitattributes`;
    expect(await factsOf(script)).toMatchObject({ language: 'go', sourceBytes: 292 + 21 });
  });

  test('that git cannot read is unknown', async () => {
    const { open, git } = await bench();
    expect(await repositoryFacts(git, await open(), '0'.repeat(40))).toEqual({});
  });

  test('without source has no language', async () => {
    expect(await factsOf('echo text > README.md; touch empty.py')).toEqual({ repoSizeCategory: 'tiny', sourceBytes: 0, files: 2 });
  });
});

test.each([
  [0, 'tiny'],
  [99_999, 'tiny'],
  [100_000, 'small'],
  [999_999, 'small'],
  [1_000_000, 'medium'],
  [9_999_999, 'medium'],
  [10_000_000, 'large'],
  [49_999_999, 'large'],
  [50_000_000, 'huge'],
])('%i bytes of source are %s', (bytes, category) => expect(sizeCategory(bytes)).toBe(category));

test.each<[string, string | undefined]>([
  ['src/a.ts', 'typescript'],
  ['a.d.ts', 'typescript'],
  ['A.TSX', 'typescript'],
  ['a.h', 'c'],
  ['a.cs', 'c#'],
  ['a.rs', 'rust'],
  ['a.m', 'objective-c'],
  ['a.php', 'php'],
  ['a.vue', undefined],
  ['README.md', undefined],
  ['schema.sql', undefined],
  ['x.json', undefined],
  ['Dockerfile', 'dockerfile'],
  ['dir/Makefile', 'makefile'],
  ['Rakefile', 'ruby'],
  ['a.py.txt', undefined],
  ['.gitignore', undefined],
  ['noextension', undefined],
])('%s is %s', async (path, language) => expect((await languages()).ofPath(path)).toBe(language));

test.each([
  ['node', 'javascript'],
  ['python', 'python'],
  ['sh', 'shell'],
  ['bash', 'shell'],
  ['ruby', 'ruby'],
  ['perl', 'perl'],
  ['php', 'php'],
  ['lua', 'lua'],
  ['', undefined],
])('%s runs %s', async (program, language) => expect((await languages()).ofInterpreter(program)).toBe(language));
