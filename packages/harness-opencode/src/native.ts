/** The program's packages for glibc, the one that runs on every processor first. */
const packages: Readonly<Partial<Record<string, readonly string[]>>> = {
  x64: ['opencode-linux-x64-baseline', 'opencode-linux-x64'],
  arm64: ['opencode-linux-arm64'],
};

/**
 * Where npm put the program itself. The package that people install holds a copy of it, or where no install scripts may run only a script
 * that says so.
 */
export function nativeExecutables(executable: string, arch: string = process.arch): readonly string[] {
  const [, root, installed] = /^(.*\/)(opencode-ai)\/bin\/opencode(?:\.exe)?$/.exec(executable) ?? [];
  if (root === undefined || installed === undefined) return [];
  const folders = [root, `${root}${installed}/node_modules/`];
  return folders.flatMap((folder) => (packages[arch] ?? []).map((name) => `${folder}${name}/bin/opencode`));
}
