import { dirname, join } from 'node:path';

const targets: Readonly<Record<string, { readonly suffix: string; readonly triple: string } | undefined>> = {
  x64: { suffix: 'linux-x64', triple: 'x86_64-unknown-linux-musl' },
  arm64: { suffix: 'linux-arm64', triple: 'aarch64-unknown-linux-musl' },
};

/**
 * What npm installs as `codex` is a script for Node that starts the program proper: by `execve` on a new Node, as a child on an old one, and not
 * at all where no Node is on the PATH. The program lies in a package for the platform, beside the one with the script or inside it; in older
 * versions in the same one.
 */
export function nativeExecutables(executable: string, arch: string = process.arch): readonly string[] {
  const target = targets[arch];
  if (target === undefined || !executable.endsWith('/bin/codex.js')) return [];
  const { suffix, triple } = target;
  const main = dirname(dirname(executable));
  const packages = [join(dirname(main), `codex-${suffix}`), join(main, 'node_modules', '@openai', `codex-${suffix}`), main];
  return packages.flatMap((folder) => [join(folder, 'vendor', triple, 'bin', 'codex'), join(folder, 'vendor', triple, 'codex', 'codex')]);
}
