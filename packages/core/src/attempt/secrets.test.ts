import { describe, expect, test } from 'vitest';
import { DomainError } from '../errors.ts';
import type { Plugin } from '../plugins/catalogue.ts';
import { refuseTakenNames, secretsOf } from './secrets.ts';

type Part = Pick<Plugin, 'id' | 'configuredEnvironment' | 'secrets' | 'apiKey'>;

const gives = (value: string) => async () => value;
const lacks = (message: string) => async () => {
  throw new DomainError('INVALID_CONFIGURATION', message);
};

function plugin(part: Partial<Part>): Plugin {
  return { id: 'fake', configuredEnvironment: { A: 'a' }, secrets: {}, ...part } as Plugin;
}

describe('what a harness gets by descriptor', () => {
  test.each<[Partial<Part>, string | undefined, Record<string, string>]>([
    [{}, undefined, { A: 'a' }],
    [{}, 'KEY', { A: 'a' }],
    [{ apiKey: gives('k') }, undefined, { A: 'a' }],
    [{ apiKey: gives('k') }, 'KEY', { A: 'a', KEY: 'k' }],
    [{ apiKey: gives('k'), secrets: { B: gives('b'), C: gives('c') } }, 'KEY', { A: 'a', KEY: 'k', B: 'b', C: 'c' }],
  ])('%j with the key in %s', async (part, variable, expected) => {
    expect(await secretsOf(plugin(part), variable)).toEqual(expected);
  });

  test('one that cannot be read is told', async () => {
    const secrets = { B: gives('b'), C: lacks('harnesses.fake.secrets.C: cannot read a key from /c') };
    await expect(secretsOf(plugin({ secrets }), undefined)).rejects.toMatchObject({
      reason: 'invalid_configuration',
      message: 'harnesses.fake.secrets.C: cannot read a key from /c',
    });
  });

  test.each([
    [{ env: { B: '1' } }, 'B'],
    [{ env: {}, apiKeyVariable: 'B' }, 'B'],
  ])('a name that the plugin sets itself is refused: %j', (command, name) => {
    expect(() => refuseTakenNames(plugin({ secrets: { B: gives('b') }, apiKey: gives('k') }), command)).toThrow(
      `harnesses.fake.secrets.${name}: the plugin sets this variable itself: leave it out`,
    );
  });

  test("the key's variable is free where no key is configured", () => {
    expect(() => refuseTakenNames(plugin({ secrets: { B: gives('b') } }), { env: {}, apiKeyVariable: 'B' })).not.toThrow();
  });
});
