/** Characters of a message; the rest of the line is in the output. */
const mostCharacters = 200;
/** Characters of a line that are looked at: a minified file in the output must not cost seconds. */
const mostExamined = 500;

/** How much a line explains, by what it looks like. What every run prints counts against it. */
const clues: readonly (readonly [RegExp, number])[] = [
  [/\bexpected\b.*\b(got|received|actual|but|to (be|equal|match|have|contain))\b|\bgot\b.*\bwant\b/i, 6],
  [/^\s*Expected:? \S/, 6],
  [/^\s*(\w*Error|\w*Exception|panic|assert\w*)( \[\w+\])?:|^E\s+\S|\bpanicked at\b/i, 5],
  [/\berror( TS\d+|\[E\d+\])?:|^\s*\d+:\d+\s+error\s/i, 4],
  [/^\s*(FAIL(ED)?|not ok|--- FAIL|✖|✗|×|●)(?=\W)/i, 2],
  [/\b(expected|unexpected|undefined|cannot|missing|not found|denied|failed)\b/i, 1],
  [/^\s*(at |npm (ERR!|error|warn)|>|#|\(node:|ℹ|Tests?:|Test Files|Test Suites:|Ran all|Summary|={3,}|-{3,})/, -8],
  [/^\s*[✖×✗]?\s*(failing tests|failed tests?)\b/i, -8],
];

/** `path/file.ext:12` or `file.ext(12,3)`, as compilers and stack traces write it. */
const place = /(?:^|[\s("'/[])((?:[\w.@+-]+\/)*[\w.@+-]+\.[a-z]\w{0,5})(?::(\d+)|\((\d+),\d+\))/i;

/**
 * The line of an output that tells a person best why it failed, with a place in front where the line has none but its surroundings do.
 * Undefined for an output without a word.
 */
export function messageOf(output: string): string | undefined {
  const lines = output.split('\n').map((line) => line.slice(0, mostExamined));
  const scores = lines.map((line) =>
    /\w/.test(line) ? clues.reduce((sum, [pattern, worth]) => sum + (pattern.test(line) ? worth : 0), 0) : -Infinity,
  );
  const best = Math.max(...scores);
  if (best === -Infinity) return undefined;
  // Without a clue the last word is the best there is; of several equal ones the first is nearest to the cause.
  const at = best > 0 ? scores.indexOf(best) : scores.findLastIndex((score) => score > -Infinity);
  const line = [lines[at] ?? '', ...continuation(lines, at)].map((part) => part.trim().replace(/\s+/g, ' ')).join(' ');
  const where = place.test(line) ? undefined : placeNear(lines, at);
  const message = where === undefined ? line : `${where}: ${line}`;
  const characters = Array.from(message);
  return characters.length <= mostCharacters
    ? message
    : `${characters
        .slice(0, mostCharacters - 1)
        .join('')
        .trimEnd()}…`;
}

/** What belongs to a line that announces it: two lines after a colon, or what was received after what was expected. */
function continuation(lines: readonly string[], at: number): string[] {
  const after = lines
    .slice(at + 1, at + 8)
    .filter((line) => /\w/.test(line) && !/^\s*(\+ actual - expected|at |- Expected|\+ Received)/.test(line));
  if (/:\s*$/.test(lines[at] ?? '')) return after.slice(0, 2);
  return /^\s*Expected/.test(lines[at] ?? '') ? after.slice(0, 1).filter((line) => /^\s*(Received|Actual|Got|But)/.test(line)) : [];
}

/** The first place below a line, where a stack trace has it, else the nearest above it. Places inside tools and dependencies tell nothing. */
function placeNear(lines: readonly string[], at: number): string | undefined {
  const around = [...lines.slice(at + 1, at + 15), ...lines.slice(Math.max(0, at - 10), at).toReversed()];
  for (const line of around) {
    if (/node_modules|node:internal|\(node:|site-packages|\/usr\/lib\//.test(line)) continue;
    const [, file, line1, line2] = place.exec(line) ?? [];
    if (file !== undefined) return `${file.slice(file.lastIndexOf('/') + 1)}:${line1 ?? line2 ?? ''}`;
  }
  return undefined;
}
