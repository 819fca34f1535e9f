import type { LogChunk } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { LogLines, type LogLine } from './log-lines.ts';

function piece(text: string | Uint8Array, fields: Partial<LogChunk> = {}): LogChunk {
  return { attempt: 1, role: 'harness', name: '', run: 1, source: 'stdout', offset: 0, data: Buffer.from(text), ...fields };
}

function told(lines: readonly LogLine[]): string[] {
  return lines.map(({ role, source, offset, bytes }) => `${role} ${source}@${offset} ${Buffer.from(bytes).toString()}`);
}

test('a line is told once it has ended, wherever its pieces do', () => {
  const lines = new LogLines();
  const bytes = Buffer.from('one\né🙂\nthree');
  for (let at = 0; at < bytes.length; at++) {
    const now = told(lines.take(piece(bytes.subarray(at, at + 1), { offset: at })));
    expect(now).toEqual(at === 3 ? ['harness stdout@0 one\n'] : at === 10 ? ['harness stdout@4 é🙂\n'] : []);
  }
  expect(told(lines.end())).toEqual(['harness stdout@11 three']);
  expect(lines.end()).toEqual([]);
});

test('the two outputs do not run into one another', () => {
  const lines = new LogLines();
  expect(told(lines.take(piece('half ')))).toEqual([]);
  expect(told(lines.take(piece('warned\n', { source: 'stderr' })))).toEqual(['harness stderr@0 warned\n']);
  expect(told(lines.take(piece('whole\n', { offset: 5 })))).toEqual(['harness stdout@0 half whole\n']);
});

test('what a process has left without an end comes before the next one', () => {
  const lines = new LogLines();
  lines.take(piece('no end'));
  const gate = { role: 'gate', name: 'test' } as const;
  expect(told(lines.take(piece('red\n', gate)))).toEqual(['harness stdout@0 no end', 'gate stdout@0 red\n']);
  expect(told(lines.take(piece('again', gate)))).toEqual([]);
  expect(told(lines.take(piece('green\n', { ...gate, run: 2 })))).toEqual(['gate stdout@0 again', 'gate stdout@0 green\n']);
});

test('a line that is too long comes in parts, cut between characters', () => {
  const lines = new LogLines();
  const text = `${'x'.repeat(64 * 1024 - 1)}é${'y'.repeat(10)}\n`;
  const parts = lines.take(piece(text));
  expect(parts.map(({ offset, bytes }) => [offset, bytes.length])).toEqual([
    [0, 64 * 1024 - 1],
    [64 * 1024 - 1, 13],
  ]);
  expect(parts.map(({ bytes }) => Buffer.from(bytes).toString()).join('')).toBe(text);
  // Not text at all.
  expect(new LogLines().take(piece(Buffer.alloc(70_000, 0x80)))).toMatchObject([{ bytes: { length: 64 * 1024 } }]);
});
