/**
 * `node tools/backends/install.ts` brings the real receivers that `pnpm test:backends` runs against. It needs Go. Each is built of the Go modules
 * whose checksums its go.sum holds, through the module proxy that the machine's own Go is set to (`go env GOPROXY`), and kept in
 * `$SINGLETREE_BACKENDS`, else ~/.cache/singletree/backends. Exit code 3: one is not available, and why.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { cacheFolder, lock, programOf, sourceOf, type Backend } from './backends.ts';

/** The program, or the first line that says why there is none. */
export type Installed = { readonly program: string } | { readonly missing: string };

/** Brings all that is not there. A second call at once waits, then finds what the first has built. */
export async function install(say: (line: string) => void, env: NodeJS.ProcessEnv = process.env): Promise<Map<Backend['name'], Installed>> {
  const folder = cacheFolder(env);
  mkdirSync(join(folder, 'bin'), { recursive: true });
  using held = new DisposableStack();
  held.use(holdLock(folder, say));
  const found = new Map<Backend['name'], Installed>();
  // One after another: the Go compiler uses all cores by itself.
  for (const backend of lock.backends) found.set(backend.name, await installOne(backend, folder, env, say));
  return found;
}

async function installOne(backend: Backend, folder: string, env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<Installed> {
  const program = programOf(backend, folder);
  if (existsSync(program) && runs(program, backend)) {
    say(`${backend.name}: kept in ${program}`);
    return { program };
  }
  const { name, module, version } = backend;
  say(`${name}: fetching ${module}@${version} with the modules of tools/backends/${name}/go.sum (about 1 GB) and building it: minutes`);
  const unfinished = `${program}.unfinished`;
  try {
    await build(backend, unfinished, folder, env);
    renameSync(unfinished, program);
    return { program };
  } catch (error) {
    rmSync(unfinished, { force: true });
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

/** Throws, with the first line that the compiler complained in, if the program cannot be built or is not what the lock says. */
async function build(backend: Backend, output: string, folder: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const env = {
    ...environment,
    GOTOOLCHAIN: 'local',
    GOWORK: 'off',
    GOFLAGS: '-mod=readonly -buildvcs=false -modcacherw',
    GOMODCACHE: join(folder, 'go', 'mod'),
    GOCACHE: join(folder, 'go', 'build'),
  };
  const version = /^go([\d.]+)/.exec(await go(['env', 'GOVERSION'], env))?.[1] ?? '0';
  if (version.localeCompare(lock.go, undefined, { numeric: true }) < 0) throw new Error(`Go ${version} is too old: ${lock.go} is needed`);
  await go(['-C', sourceOf(backend), 'build', ...lock.flags, ...backend.flags, '-o', output, backend.package], env);
  const parts = await go(['version', '-m', output], env);
  const expected = [backend.module, backend.version, backend.sum].join('\t');
  if (!parts.includes(`\t${expected}`)) throw new Error(`what was built does not hold ${expected.replaceAll('\t', ' ')}`);
  if (!runs(output, backend)) throw new Error(`${backend.name} ${backend.check.join(' ')} fails`);
}

function runs(program: string, { check }: Backend): boolean {
  return spawnSync(program, check, { stdio: 'ignore', timeout: 60_000 }).status === 0;
}

async function go(args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn('go', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve('code' in error && error.code === 'ENOENT' ? 'there is no `go` on PATH' : error.message));
    child.on('close', (code) => resolve(code === 0 ? undefined : `go ${args.join(' ')}: exit ${code}`));
  });
  const [output, complaints, failure] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (failure === undefined) return output;
  // Not the progress, and not the names of packages that stand above their errors.
  throw new Error(complaints.split('\n').find((line) => line !== '' && !/^(go: (downloading|added|upgraded)|#)/.test(line)) ?? failure);
}

/** The kernel frees the lock with this process, however it ends. */
function holdLock(folder: string, say: (line: string) => void): Disposable {
  const descriptor = openSync(join(folder, 'lock'), 'w');
  const flock = (...options: string[]): number | null =>
    spawnSync('flock', [...options, '3'], { stdio: ['ignore', 'inherit', 'inherit', descriptor] }).status;
  if (flock('--nonblock') === 1) {
    say('waiting for another installation into the same folder');
    flock();
  }
  return { [Symbol.dispose]: () => closeSync(descriptor) };
}

/** What the tests of real parts say first and last. */
export function linesOf(installed: ReadonlyMap<Backend['name'], Installed>): string[] {
  return lock.backends.map(({ name, part, title }) => {
    const found = installed.get(name);
    return found && 'program' in found ? `real ${part}: yes (${title})` : `real ${part}: no (${found?.missing ?? 'not asked for'})`;
  });
}

if (import.meta.main) {
  const installed = await install((line) => console.error(line));
  for (const line of linesOf(installed)) console.log(line);
  if ([...installed.values()].some((each) => 'missing' in each)) process.exitCode = 3;
}
