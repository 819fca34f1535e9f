import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderContinue, renderFindings, renderPrompt } from './prompt.ts';

const seed = Number(process.env['SINGLETREE_TEST_SEED'] ?? Date.now() % 1_000_000);
/** What terminals, shells, CLIs and editors treat in a way of their own, among everything that UTF-8 can hold but NUL. */
const awkward = [
  '\r\n',
  '\n',
  '\u001b[31m',
  '\ufeff',
  '/compact',
  '-p',
  '--help',
  '$(id)',
  '`id`',
  '"',
  '\\',
  '# Task',
  '```',
  '\u2028',
  '😀',
  '\u202e',
];
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...awkward),
      fc.string({ unit: 'binary', maxLength: 8 }).filter((part) => !part.includes('\0')),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => parts.join(''));

/** Whether all of them stand in the prompt byte for byte, one after the other. */
function standInOrder(prompt: string, texts: readonly string[]): boolean {
  const bytes = Buffer.from(prompt);
  let from = 0;
  return texts.every((each) => {
    const at = bytes.indexOf(Buffer.from(each), from);
    from = at + Buffer.byteLength(each);
    return at >= 0;
  });
}

describe('the prompt of a task', () => {
  test('has every part under a heading of its own', () => {
    const spec = { title: 'Fix it', instructions: '/init now', acceptanceCriteria: ['it\npasses', '- fast'] };
    expect(renderPrompt(spec, [{ text: 'one' }, { name: 'a b.md', text: '\ufefftwo\r\n' }])).toBe(
      '# Task: Fix it\n\n/init now\n\n## Acceptance criteria\n\n- it\npasses\n- - fast\n\n## Context\n\none\n\n## Context: a b.md\n\n\ufefftwo\r\n\n',
    );
  });

  test('has a heading also where there is nothing but instructions', () => {
    expect(renderPrompt({ instructions: '--help', acceptanceCriteria: [] }, [])).toBe('# Task\n\n--help\n');
  });

  test(`holds every text unchanged, our heading first (seed ${seed})`, () => {
    const item = fc.record({ text, name: text }, { requiredKeys: ['text'] });
    const spec = fc.record(
      { title: text, instructions: text, acceptanceCriteria: fc.array(text, { maxLength: 3 }) },
      { requiredKeys: ['instructions', 'acceptanceCriteria'] },
    );
    fc.assert(
      fc.property(spec, fc.array(item, { maxLength: 3 }), ({ title, ...given }, context) => {
        const prompt = renderPrompt({ ...given, ...(title === undefined ? {} : { title }) }, context);
        const texts = [title, given.instructions, ...given.acceptanceCriteria, ...context.flatMap((each) => [each.name, each.text])];
        expect(prompt.startsWith('# Task')).toBe(true);
        expect(
          standInOrder(
            prompt,
            texts.filter((each) => each !== undefined),
          ),
        ).toBe(true);
        expect(Buffer.from(prompt).toString()).toBe(prompt);
      }),
      { seed, numRuns: process.env['SINGLETREE_TEST_FULL'] ? 5_000 : 300 },
    );
  });
});

describe('the findings', () => {
  const commands = new Map([['test', 'npm test']]);

  test('are the gates that failed, each with its command, exit code and the end of its output', () => {
    const results = [
      { name: 'build', verdict: 'passed', exitCode: 0, tail: 'fine' },
      { name: 'test', verdict: 'failed', exitCode: 1, tail: '\u001b[31m12.5\r\n' },
      { name: 'lint', verdict: 'errored', exitCode: 127, tail: 'not found' },
      { name: 'types', verdict: 'failed', tail: '' },
      { name: 'shape', verdict: 'failed', exitCode: 2 },
    ] as const;
    expect(renderFindings(results, commands)).toBe(
      [
        '# Not accepted',
        'Your work was checked and is not accepted yet. Mend what the checks below found.',
        '## Gate test failed',
        'Command: npm test\nExit code: 1',
        'The end of its output:',
        '\u001b[31m12.5\r\n',
        '## Gate types failed',
        'Exit code: unknown',
        'It printed nothing.',
        '## Gate shape failed',
        'Exit code: 2',
        'It printed nothing.\n',
      ].join('\n\n'),
    );
  });

  test('say that nothing was changed where no gate failed', () => {
    expect(renderFindings([], commands)).toMatch(/^# Not accepted\n\nThe task needs a change of the files/);
  });

  test(`hold what a gate printed unchanged (seed ${seed})`, () => {
    fc.assert(
      fc.property(text, (tail) => {
        const findings = renderFindings([{ name: 'test', verdict: 'failed', exitCode: 1, tail }], commands);
        expect(findings.startsWith('# Not accepted') && standInOrder(findings, ['npm test', tail])).toBe(true);
      }),
      { seed, numRuns: 200 },
    );
  });
});

test('whoever was interrupted is told to go on, and what was found before', () => {
  expect(renderContinue()).toMatch(/^# Go on\n\n.+finish it\.\n$/);
  expect(renderContinue('# Not accepted\n')).toMatch(/^# Go on\n\n.+finish it\.\n\n# Not accepted\n$/);
});
