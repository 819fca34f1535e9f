const mark = '[redacted]';

/** A key whose value is a secret, whatever it looks like. */
const secretKey = '(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization|cookie)';
const isSecretKey = new RegExp(`(?:^|[_.-])${secretKey}s?(?:$|[_.-])`, 'i');

/** Forms that say by themselves what they are. Every repetition is bounded: what is looked through was written by others. */
const secrets: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|[\s\S]*$)/g, mark],
  [/\b(?:sk|pk|rk)[-_](?=[\w-]*\d)[\w-]{16,}/g, mark],
  [/\b(?:gh[opsur]_|github_pat_|glpat-|npm_|hf_|xox[a-z]-|dop_v1_|ya29\.)[\w-]{10,}/g, mark],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g, mark],
  [/\bAIza[\w-]{30,}/g, mark],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g, mark],
  [/\bbearer\s{1,8}[\w.~+/=-]{8,}/gi, `Bearer ${mark}`],
  [/(?<=:\/\/)[^\s/:@]{0,256}:[^\s/@]{1,256}(?=@)/g, mark],
  [
    new RegExp(
      String.raw`\b([\w.-]{0,64}${secretKey}s?[\w-]{0,32}["']?\s{0,4}[:=]\s{0,4})(?:(?:basic|bearer)\s{1,8})?(?:"[^"\n]*"|'[^'\n]*'|[^\s,;]+)`,
      'gi',
    ),
    `$1${mark}`,
  ],
  [/[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}\b/gi, mark],
];

/** Where people live on a machine: the folder's name is theirs. */
const homes = /(?<![\w.-])(?:\/home\/|\/Users\/|[A-Za-z]:\\Users\\)[^\s/\\:;,"'`()<>[\]{}]+|(?<![\w/.-])\/root(?![\w.-])/g;

export type Redact = (text: string) => string;

/**
 * Takes secrets, e-mail addresses and home folders out of a text: what has the form of one, and what stands behind a key that says so. A net below
 * the allow-list, not instead of it: a secret without a form of its own passes.
 *
 * @param patterns regular expressions whose matches are taken out too
 * @param home the daemon's own home folder, wherever it lies
 */
export function redactor(patterns: readonly string[] = [], home?: string): Redact {
  const own = patterns.map((pattern) => new RegExp(pattern, 'gu'));
  const here =
    home === undefined || home.length < 2
      ? undefined
      : new RegExp(`(?<![\\w.-])${home.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)}(?![\\w.-])`, 'g');
  return (text) => {
    let clean = here ? text.replace(here, '~') : text;
    for (const pattern of own) clean = clean.replace(pattern, mark);
    for (const [pattern, instead] of secrets) clean = clean.replace(pattern, instead);
    return clean.replace(homes, '~');
  };
}

/** `key=value`, without the value where the key says that it is a secret. */
export function pairText(key: string, value: string): string {
  return isSecretKey.test(key) ? `${key}=${mark}` : `${key}=${value}`;
}
