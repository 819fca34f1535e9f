import { GitFailure, type Git } from './git.ts';
import { languages, type Languages } from './languages.ts';
import { joinNul, splitNul, type RawPath } from './paths.ts';
import { noIndex, ownRepository, type Workspace } from './workspace.ts';

export type RepoSizeCategory = 'tiny' | 'small' | 'medium' | 'large' | 'huge';

export interface RepositoryFacts {
  /** Lower-case linguist name of the language with most bytes; absent where there is no source. */
  readonly language?: string;
  readonly repoSizeCategory?: RepoSizeCategory;
  /** Bytes of source, what is vendored or generated left out. */
  readonly sourceBytes?: number;
  readonly files?: number;
}

/** A commit never changes, so neither does what is said of it. */
const remembered = new Map<string, RepositoryFacts>();
const mostRemembered = 100;

/** What a commit's tree is made of. Nothing is known of one that git cannot read: a task does not fail for what is only measured. */
export async function repositoryFacts(git: Git, workspace: Workspace, commit: string): Promise<RepositoryFacts> {
  return remembered.get(commit) ?? (await examine(git, workspace, commit).then((facts) => remember(commit, facts), unknown));
}

function remember(commit: string, facts: RepositoryFacts): RepositoryFacts {
  remembered.set(commit, facts);
  for (const oldest of remembered.keys()) if (remembered.size > mostRemembered) remembered.delete(oldest);
  return facts;
}

function unknown(error: unknown): RepositoryFacts {
  if (error instanceof GitFailure) return {};
  throw error;
}

async function examine(git: Git, workspace: Workspace, commit: string): Promise<RepositoryFacts> {
  const known = await languages();
  const files = parseTree((await git(['ls-tree', '-r', '-l', '-z', '--end-of-options', commit], { env: ownRepository(workspace) })).stdout);
  const marks = files.some(({ path }) => /(^|\/)\.gitattributes$/.test(path))
    ? await linguistMarks(git, workspace, files)
    : new Map<RawPath, boolean>();
  const own = files.filter(({ path }) => !(marks.get(path) ?? isForeign(path)));
  const scripts = await scriptLanguages(git, workspace, own, known);
  const bytes = new Map<string, number>();
  for (const { path, size } of own) {
    const language = known.ofPath(path) ?? scripts.get(path);
    if (language !== undefined && size > 0) bytes.set(language, (bytes.get(language) ?? 0) + size);
  }
  const sourceBytes = [...bytes.values()].reduce((sum, size) => sum + size, 0);
  const [largest] = [...bytes].sort(([, left], [, right]) => right - left);
  return {
    ...(largest === undefined ? {} : { language: largest[0] }),
    repoSizeCategory: sizeCategory(sourceBytes),
    sourceBytes,
    files: files.length,
  };
}

export function sizeCategory(sourceBytes: number): RepoSizeCategory {
  if (sourceBytes < 100_000) return 'tiny';
  if (sourceBytes < 1_000_000) return 'small';
  if (sourceBytes < 10_000_000) return 'medium';
  return sourceBytes < 50_000_000 ? 'large' : 'huge';
}

interface TreeFile {
  readonly path: RawPath;
  readonly object: string;
  readonly size: number;
  readonly executable: boolean;
}

/** Reads `mode blob object size<tab>path`. Symbolic links, submodules, and blobs that a partial clone has not fetched have no source. */
function parseTree(listing: Buffer): TreeFile[] {
  return splitNul(listing).flatMap((record) => {
    const [, mode, object, size, path] = /^(100\d{3}) blob ([0-9a-f]+) +(\d+)\t([^]*)$/.exec(record) ?? [];
    if (object === undefined || path === undefined) return [];
    return [{ path, object, size: Number(size), executable: mode === '100755' }];
  });
}

/** Other people's code and what tools wrote, by the usual names. */
const foreign =
  /(^|\/)(vendor|vendors|node_modules|bower_components|third[-_]party|external|dist|testdata|\.yarn|Godeps|Pods|Carthage)\/|[.-]min\.(js|css)$|\.pb\.(go|cc|h)$|_pb2(_grpc)?\.pyi?$|[._]pb\.(js|ts)$|\.generated\.\w+$|(^|\/)\.pnp\.c?js$/;

function isForeign(path: RawPath): boolean {
  return foreign.test(path);
}

/** What `.gitattributes` says: true is vendored or generated, false is neither in spite of its name. */
async function linguistMarks(git: Git, workspace: Workspace, files: readonly TreeFile[]): Promise<Map<RawPath, boolean>> {
  const stdin = joinNul(files.map(({ path }) => path));
  const call = ['check-attr', '-z', '--stdin', 'linguist-vendored', 'linguist-generated'];
  const records = splitNul((await git(call, { env: ownRepository(workspace, noIndex(workspace)), stdin })).stdout);
  const marks = new Map<RawPath, boolean>();
  for (let at = 0; at + 2 < records.length; at += 3) {
    const [path = '', , value = ''] = records.slice(at, at + 3);
    if (value === 'set' || value === 'true') marks.set(path, true);
    else if ((value === 'unset' || value === 'false') && !marks.has(path)) marks.set(path, false);
  }
  return marks;
}

const mostScripts = 100;
const largestScriptBytes = 100_000;

/** Languages of executable files without an extension, by their first line. */
async function scriptLanguages(
  git: Git,
  workspace: Workspace,
  files: readonly TreeFile[],
  known: Languages,
): Promise<Map<RawPath, string>> {
  const scripts = files
    .filter(({ path, executable, size }) => executable && size < largestScriptBytes && !/\.[^/]*$/.test(path))
    .slice(0, mostScripts);
  const found = new Map<RawPath, string>();
  if (scripts.length === 0) return found;
  const stdin = Buffer.from(scripts.map(({ object }) => `${object}\n`).join(''));
  const blobs = (await git(['cat-file', '--batch'], { env: ownRepository(workspace), stdin })).stdout;
  let at = 0;
  for (const { path, size } of scripts) {
    const start = blobs.indexOf('\n', at) + 1;
    const language = known.ofInterpreter(interpreterOf(blobs.subarray(start, start + 200).toString('latin1')));
    if (language !== undefined) found.set(path, language);
    at = start + size + 1;
  }
  return found;
}

/** The program that a script's first line names, without path, `env` and version. */
function interpreterOf(text: string): string {
  const [, line = ''] = /^#!\s*([^\n]*)/.exec(text) ?? [];
  const words = line.split(/\s+/).filter((word) => word !== '' && !word.startsWith('-') && !word.includes('='));
  const program = words[0]?.endsWith('/env') ? words[1] : words[0];
  return (program ?? '').replace(/^.*\//, '').replace(/[\d.]+$/, '');
}
