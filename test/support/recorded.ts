import { readFileSync } from 'node:fs';

/** Processes that have appended themselves to a file, one line `PID START` each. */
export function recordedIn(file: string): readonly string[] {
  return linesOf(file).filter((line) => /^\d+ \d+$/.test(line));
}

/** Those of them that live: the very same process, not a zombie. */
export function livingIn(file: string): readonly string[] {
  return recordedIn(file).filter((line) => {
    const [pid, start] = line.split(' ');
    const stat = linesOf(`/proc/${pid}/stat`)[0]
      ?.replace(/^.*\) /, '')
      .split(' ');
    return stat?.[19] === start && stat?.[0] !== 'Z' && stat?.[0] !== 'X';
  });
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}
