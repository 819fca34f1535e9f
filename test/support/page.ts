import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** A fenced block of a page. */
export interface Block {
  readonly language: string;
  /** What follows the language: the file that it is a part of, or the script that runs it. */
  readonly of: string;
  readonly text: string;
  /** Number of its first line on the page. */
  readonly line: number;
}

export function blocksOf(page: string): Block[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```(\S*) ?(.*)\n((?:.*\n)*?)```$/gm)].map(({ index, 1: language = '', 2: of = '', 3: block = '' }) => ({
    language,
    of,
    text: block,
    line: text.slice(0, index).split('\n').length + 1,
  }));
}

/** All blocks of a language that are run by the same script, as one program: a later one goes on where an earlier one ended. */
export function programOf(blocks: readonly Block[], language: string, of = ''): string {
  return blocks
    .filter((block) => block.language === language && block.of === of)
    .map(({ text }) => text)
    .join('\n');
}
