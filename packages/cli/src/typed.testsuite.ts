import { cli } from './cli.ts';

/** What a command says that is typed outside of a terminal, in this folder. */
export async function typed(
  argv: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const said = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr') => ({ isTTY: false, write: (data: string | Uint8Array) => void (said[name] += String(data)) });
  const code = await cli(argv, {
    env,
    cwd,
    stdin: { async *[Symbol.asyncIterator]() {} },
    stdout: into('stdout'),
    stderr: into('stderr'),
    onInterrupt: () => () => {},
  });
  return { code, ...said };
}
