/** What must not be in a file that is given away, and what stands there instead. */
export interface Scrub {
  readonly from: string;
  readonly to: string;
  /** Whether it counts only by itself: a path has further names behind it, never a longer name; a name is part of many words. */
  readonly alone?: 'path' | 'word';
}

/** The machine and the person of whom a recording tells. */
export interface Surroundings {
  readonly home: string | undefined;
  readonly state: string;
  readonly workspace: string;
  readonly temporary: string | undefined;
  /** Names of the person and of the machine. */
  readonly names: readonly string[];
  /** Keys and values that the CLI was given in confidence. */
  readonly secrets: readonly string[];
}

/** Names that say nothing of anybody, and that are words elsewhere. */
const commonNames: ReadonlySet<string> = new Set([
  'root',
  'user',
  'admin',
  'node',
  'test',
  'ubuntu',
  'debian',
  'localhost',
  'runner',
  'agent',
]);

/** By length, so that no part of a longer one is replaced before it. Paths come in the form with dashes too, in which CLIs name folders. */
export function scrubsOf({ home, state, workspace, temporary, names, secrets }: Surroundings): readonly Scrub[] {
  const paths = [
    [workspace, '/repository'],
    [state, '/state'],
    [home, '/home/user'],
    [temporary, '/tmp'],
  ].flatMap(([from, to]): Scrub[] =>
    from === undefined || to === undefined || from.length < 4 || from === to
      ? []
      : [
          { from, to, alone: 'path' },
          { from: dashed(from), to: dashed(to), alone: 'word' },
        ],
  );
  return [
    ...secrets
      .filter((secret) => secret.length >= 4 && !/^(?:true|false|null|\d+)$/.test(secret))
      .flatMap((from) =>
        [from, JSON.stringify(from).slice(1, -1), Buffer.from(from).toString('base64')].map((form) => ({ from: form, to: removed })),
      ),
    ...paths,
    ...names
      .filter((name) => name.length >= 3 && !commonNames.has(name.toLowerCase()))
      .map((from) => ({ from, to: 'user', alone: 'word' as const })),
  ].toSorted((left, right) => right.from.length - left.from.length);
}

function dashed(path: string): string {
  return path.replaceAll(/[^A-Za-z0-9]/g, '-');
}

const removed = 'REMOVED';

/** Keys by their shapes, whoever put them there, and addresses of people. */
const shapes: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}/g, removed],
  [/\b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}/g, removed],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}|\bya29\.[A-Za-z0-9._-]{20,}/g, removed],
  [/\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\b(?:npm|hf)_[A-Za-z0-9]{20,}/g, removed],
  [/\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, removed],
  [/(?<=\b[Bb]earer )[A-Za-z0-9._~+/-]{12,}=*/g, removed],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----/gs, removed],
  [/(?<=:\/\/)[^\s/:@"\\]+:[^\s/@"\\]+(?=@)/g, removed],
  [/\b[A-Za-z0-9._%+-]+@(?!example\.(?:com|org)\b)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b/g, 'user@example.com'],
];

/** Behind anything but a letter or digit, and behind a line feed or tab as JSON writes them. */
const wordStart = String.raw`(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf]))`;

/** The same bytes without them. What is not text stays, byte for byte. */
export function scrubbed(bytes: Uint8Array, scrubs: readonly Scrub[]): Buffer {
  // One character a byte: nothing is lost, whatever the encoding.
  let text = Buffer.from(bytes).toString('latin1');
  for (const { from, to, alone } of scrubs) {
    const own = literal(Buffer.from(from, 'utf8').toString('latin1'));
    const before = alone === 'word' ? wordStart : '';
    const after = alone === undefined ? '' : '(?![A-Za-z0-9_])';
    text = text.replaceAll(new RegExp(before + own + after, 'g'), () => to);
  }
  for (const [pattern, instead] of shapes) text = text.replaceAll(pattern, instead);
  return Buffer.from(text, 'latin1');
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
