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
        [...new Set([from, escaped(from), escaped(escaped(from)), encodeURIComponent(from), Buffer.from(from).toString('base64')])].map(
          (form) => ({ from: form, to: removed }),
        ),
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

/** As it stands within a string of JSON. */
function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

const removed = 'REMOVED';

/** Where a word begins: behind anything but a letter or digit, and behind a line feed, a tab or another character as JSON writes them. */
const wordStart = String.raw`(?:(?<![A-Za-z0-9\\])|(?<=\\[nrtbf"/\\])|(?<=\\u[0-9A-Fa-f]{4}))`;

/** A name whose value is nobody's business, as variables are called. */
const secretVariable = String.raw`[A-Z0-9_]*(?:API_?KEY|ACCESS_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)[A-Z0-9_]*`;
/** The same as fields are called. */
const secretField = String.raw`(?:x-)?api[-_]?key|(?:proxy-)?authorization|passw(?:or)?d|secret|client[-_]secret|(?:access|refresh|id|auth|session)[-_]?token|private[-_]key|(?:set-)?cookie`;

const all = (text: string, flags = 'g'): RegExp => new RegExp(text, flags);

/** Keys by their shapes and by the names that they stand under, whoever put them there, and addresses of people. */
const shapes: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [all(String.raw`${wordStart}(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}`), removed],
  [
    all(String.raw`${wordStart}(?:(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,})`),
    removed,
  ],
  [all(String.raw`${wordStart}(?:(?:AKIA|ASIA)[A-Z0-9]{16}\b|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9._-]{20,})`), removed],
  [all(String.raw`${wordStart}(?:xox[abeoprs]-[A-Za-z0-9-]{10,}|(?:npm|hf)_[A-Za-z0-9]{20,})`), removed],
  [all(String.raw`${wordStart}eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), removed],
  [all(String.raw`(?<=${wordStart}[Bb]earer )[A-Za-z0-9._~+/-]{12,}=*`), removed],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----/gs, removed],
  [all(String.raw`(?<=${wordStart}${secretVariable}=)(?!(?:true|false|null|\d+)\b)[^\s"'\\]{6,}`), removed],
  [all(String.raw`(?<="(?:${secretField})\\*"\s*:\s*\\*")[^"\\]{6,}`, 'gi'), removed],
  [/(?<=:\/\/)[^\s/:@"\\]+:[^\s/@"\\]+(?=@)/g, removed],
  [
    all(
      String.raw`(?:(?<![A-Za-z0-9._%+\\-])|(?<=\\[nrtbf"/\\])|(?<=\\u[0-9A-Fa-f]{4}))[A-Za-z0-9._%+-]+@(?!example\.(?:com|org)\b)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b`,
    ),
    'user@example.com',
  ],
];

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
