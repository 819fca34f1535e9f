import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { refuseInvalidFlags } from './argument-bytes.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

const repeatable = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Parses as the command line does: from what Node makes of the bytes. */
function refuse(...typed: Buffer[]): void {
  const command = new Command()
    .argument('[prompt]')
    .option('-f, --file <FILE>')
    .option('--title <TEXT>')
    .option('--detach')
    .option('--label <K=V>', '', repeatable)
    .parse(
      typed.map((bytes) => bytes.toString()),
      { from: 'user' },
    );
  refuseInvalidFlags(command, () => typed);
}

describe('the value of a flag that is not UTF-8 is refused by flag and byte', () => {
  test.each<[Buffer[], string, number]>([
    [[latin1('--title'), latin1('caf\xe9'), latin1('x')], '--title', 3],
    [[latin1('--title=caf\xe9')], '--title', 3],
    [[latin1('-f\xe9.yaml')], '--file', 0],
    [[latin1('--label'), latin1('a=b'), latin1('--label'), latin1('k=\xff')], '--label', 2],
    [[latin1('--title'), Buffer.concat([Buffer.from('\ufffd'), latin1('\xe9')])], '--title', 3],
  ])('%j', (typed, flag, offset) => {
    expect(() => refuse(...typed)).toThrow(
      expect.objectContaining({
        message: `${flag} is not valid UTF-8 at byte ${offset}`,
        exitCode: 2,
        metadata: { flag, offset: String(offset) },
      }),
    );
  });
});

test('what is UTF-8 is taken, also the replacement character itself; the prompt is judged elsewhere', () => {
  refuse(Buffer.from('--title'), Buffer.from('a \ufffd b'), Buffer.from('--label=ü=\ufffd'), Buffer.from('\ufffd'));
  refuse(latin1('--detach'), latin1('caf\xe9'));
});
