/** What a file name or an interpreter says of a language, by the data of GitHub's linguist. Only programming languages have a name here. */
export interface Languages {
  /** Lower-case linguist name, the group's where the language belongs to one (tsx: typescript). Absent for prose, data, markup and the unknown. */
  ofPath(path: string): string | undefined;
  ofInterpreter(program: string): string | undefined;
}

interface LanguageEntry {
  readonly name: string;
  readonly type: string;
  readonly group?: string;
  readonly extensions?: readonly string[];
  readonly filenames?: readonly string[];
  readonly interpreters?: readonly string[];
}

/**
 * Extensions that several languages claim, given to the one that has most files by far. An extension that is not here belongs to the only
 * language that has it as its own first extension, else to nobody: no answer is better than a wrong one.
 */
const preferred: Readonly<Record<string, string>> = {
  '.asm': 'Assembly',
  '.d': 'D',
  '.es': 'JavaScript',
  '.f': 'Fortran',
  '.for': 'Fortran',
  '.fs': 'F#',
  '.h': 'C',
  '.hh': 'C++',
  '.jq': 'jq',
  '.lean': 'Lean 4',
  '.lisp': 'Common Lisp',
  '.m': 'Objective-C',
  '.ml': 'OCaml',
  '.nu': 'Nushell',
  '.odin': 'Odin',
  '.pl': 'Perl',
  '.pm': 'Perl',
  '.r': 'R',
  '.rs': 'Rust',
  '.s': 'Assembly',
  '.sc': 'Scala',
  '.scm': 'Scheme',
  '.st': 'Smalltalk',
  '.star': 'Starlark',
  '.t': 'Perl',
  '.v': 'Verilog',
};

let loaded: Promise<Languages> | undefined;

/** Loaded when first asked for: the data is hundreds of small modules, which no daemon should wait for at its start. */
export function languages(): Promise<Languages> {
  loaded ??= import('linguist-languages').then((all) => indexOf(Object.values(all)));
  return loaded;
}

function indexOf(entries: readonly LanguageEntry[]): Languages {
  const nameOf = (entry: LanguageEntry | undefined): string | undefined =>
    entry?.type === 'programming' ? (entry.group ?? entry.name).toLowerCase() : undefined;
  const byFilename = new Map(entries.flatMap((entry) => (entry.filenames ?? []).map((name) => [name, nameOf(entry)])));
  const byInterpreter = new Map<string, string | undefined>();
  const claims = new Map<string, LanguageEntry[]>();
  for (const entry of entries) {
    for (const program of entry.interpreters ?? []) byInterpreter.set(program, byInterpreter.get(program) ?? nameOf(entry));
    for (const extension of entry.extensions ?? [])
      claims.set(extension.toLowerCase(), [...(claims.get(extension.toLowerCase()) ?? []), entry]);
  }
  const byExtension = new Map([...claims].map(([extension, claimants]) => [extension, nameOf(winner(extension, claimants))]));
  return {
    ofPath(path) {
      const base = path.slice(path.lastIndexOf('/') + 1);
      if (byFilename.has(base)) return byFilename.get(base);
      // The longest extension that anybody claims: `x.d.ts` is no D.
      for (let dot = base.indexOf('.'); dot >= 0; dot = base.indexOf('.', dot + 1)) {
        const extension = base.slice(dot).toLowerCase();
        if (byExtension.has(extension)) return byExtension.get(extension);
      }
      return undefined;
    },
    ofInterpreter: (program) => byInterpreter.get(program),
  };
}

function winner(extension: string, claimants: readonly LanguageEntry[]): LanguageEntry | undefined {
  const names = new Set(claimants.map(({ name }) => name));
  if (names.size === 1) return claimants[0];
  const wanted = preferred[extension];
  if (wanted !== undefined) return claimants.find(({ name }) => name === wanted);
  const first = claimants.filter(({ extensions }) => extensions?.[0]?.toLowerCase() === extension);
  return first.length === 1 ? first[0] : undefined;
}
