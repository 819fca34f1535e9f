/**
 * Python and Go for the clients in examples/ and the drivers of the protocol matrix. `node tools/backends/languages.ts` fetches the packages that
 * examples/python/requirements.txt and examples/go/go.mod pin, from wherever the machine's own pip and Go are set to, keeps them in the cache folder
 * (about 60 MB and 400 MB), and generates their stubs into examples/{python,go}/gen. Exit code 3: one language is not available, and why.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './backends.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const buf = join(root, 'node_modules/.bin/buf');

/** How its programs are started. */
export interface Language {
  readonly environment: Readonly<Record<string, string>>;
}

/** Or the first line that says why there is none. */
export type Available<T> = T | { readonly missing: string };

export interface Python extends Language {
  readonly interpreter: string;
}

/** A virtual environment of the pinned packages, and the stubs. */
export async function preparePython(say: (line: string) => void, folder: string = cacheFolder()): Promise<Available<Python>> {
  const requirements = join(root, 'examples/python/requirements.txt');
  return await available(async () => {
    const { stdout: version } = await run('python3', ['-c', 'import sys; print(sys.version, sys.prefix)']);
    const hash = createHash('sha256').update(version).update(readFileSync(requirements)).digest('hex').slice(0, 12);
    const home = join(folder, `python-${hash}`);
    const interpreter = join(home, 'bin/python3');
    const whole = join(home, 'whole');
    if (!existsSync(whole)) {
      say('python: fetching the packages of examples/python/requirements.txt (about 60 MB)');
      rmSync(home, { recursive: true, force: true });
      await run('python3', ['-m', 'venv', home]);
      // Nothing is compiled: a version without a wheel for this Python is an answer.
      await run(interpreter, ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '--requirement', requirements]);
      writeFileSync(whole, '');
    }
    const environment = { PATH: join(home, 'bin') + delimiter + (process.env['PATH'] ?? '') };
    await generate('buf.gen.python.yaml', environment);
    return { interpreter, environment: { ...environment, PYTHONPATH: join(root, 'examples/python/gen'), PYTHONDONTWRITEBYTECODE: '1' } };
  });
}

export interface Go extends Language {
  /** Compiles the module in a folder of the repository; gives the path of the program. */
  build(module: string): Promise<string>;
}

export async function prepareGo(say: (line: string) => void, folder: string = cacheFolder()): Promise<Available<Go>> {
  const environment = {
    PATH: process.env['PATH'] ?? '',
    GOTOOLCHAIN: 'local',
    GOWORK: 'off',
    GOFLAGS: '-mod=readonly -buildvcs=false -modcacherw',
    GOMODCACHE: join(folder, 'go/mod'),
    GOCACHE: join(folder, 'go/build'),
  };
  return await available(async () => {
    await run('go', ['version'], { env: { ...process.env, ...environment } });
    say('go: fetching the modules of examples/go/go.sum where they are not kept (about 60 MB), and building: minutes at the first time');
    await generate('buf.gen.go.yaml', environment);
    mkdirSync(join(folder, 'bin'), { recursive: true });
    const build = async (module: string): Promise<string> => {
      const program = join(folder, 'bin', module.replaceAll('/', '-'));
      await run('go', ['-C', join(root, module), 'build', '-o', program, '.'], { env: { ...process.env, ...environment } });
      return program;
    };
    return { environment, build };
  });
}

async function generate(template: string, environment: Readonly<Record<string, string>>): Promise<void> {
  await run(buf, ['generate', '--template', template], { cwd: join(root, 'proto'), env: { ...process.env, ...environment } });
}

async function available<T>(prepare: () => Promise<T>): Promise<Available<T>> {
  try {
    return await prepare();
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    return { missing: said.split('\n')[0] || (error instanceof Error ? error.message : String(error)) };
  }
}

/** Throws where the language is not available. */
export function found<T extends Language>(prepared: Available<T>): T {
  if ('missing' in prepared) throw new Error(prepared.missing);
  return prepared;
}

/** What the tests of these languages say. */
export function lineOf(language: string, prepared: Available<Language>): string {
  return 'missing' in prepared ? `${language} clients: no (${prepared.missing})` : `${language} clients: yes`;
}

if (import.meta.main) {
  const [python, go] = [await preparePython(console.error), await prepareGo(console.error)];
  console.log(lineOf('Python', python));
  console.log(lineOf('Go', go));
  if ('missing' in python || 'missing' in go) process.exitCode = 3;
}
