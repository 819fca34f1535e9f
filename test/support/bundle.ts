import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown, type Plugin } from 'rolldown';
import type { TestProject } from 'vitest/node';
import { bundleVariable } from './programs.ts';

const root = join(import.meta.dirname, '../..');
const packages = join(root, 'packages');
const bundles = join(root, 'node_modules/.cache/bundles');
const oldAfterMs = 24 * 3_600_000;
/** They hold plugins, which a daemon loads by name. */
const pluginPackages = ['harness-claude', 'harness-codex', 'harness-opencode', 'testing'];

/**
 * Puts the command, the daemon and the plugins, with all that they import, into a few files: a daemon has 900 modules, which take two thirds of
 * its start, and the tests start hundreds. The folder looks as the command's package does where it is installed. It is made each time that
 * tests are run, of the sources as they lie there. With SINGLETREE_TEST_SOURCES=1 the sources themselves are started.
 */
export async function setup(project: TestProject): Promise<void> {
  if (process.env['SINGLETREE_TEST_SOURCES'] === '1') return;
  await make();
  project.onTestsRerun(make);
}

async function make(): Promise<void> {
  const input: Record<string, string> = {
    'src/main': join(packages, 'cli/src/main.ts'),
    'src/daemon-process': join(root, 'test/support/daemon-process.ts'),
  };
  const files = new Map([['package.json', readFileSync(join(packages, 'cli/package.json'), 'utf8')]]);
  for (const name of pluginPackages) {
    const manifest = JSON.parse(readFileSync(join(packages, name, 'package.json'), 'utf8')) as Manifest;
    const folder = `node_modules/${manifest.name}`;
    const exports: Record<string, string> = {};
    for (const [path, source] of Object.entries(manifest.exports)) {
      const module = path === '.' ? './index' : path;
      input[join(folder, module)] = join(packages, name, source);
      exports[path] = `${module}.js`;
    }
    files.set(`${folder}/package.json`, JSON.stringify({ ...manifest, exports }));
  }
  const bundle = await rolldown({ cwd: root, platform: 'node', input, plugins: [atHome] });
  const { output } = await bundle.generate({ entryFileNames: '[name].js', chunkFileNames: 'src/[name]-[hash].js' });
  await bundle.close();
  for (const part of output) files.set(part.fileName, part.type === 'chunk' ? part.code : String(part.source));
  process.env[bundleVariable] = write(files);
}

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string>>;
}

/** Paths beside a module stay those beside its source, but for the module that says where the command itself lies. */
const atHome: Plugin = {
  name: 'at home',
  transform(code, id) {
    if (!code.includes('import.meta') || id.includes('/node_modules/') || id === join(packages, 'cli/src/package.ts')) return null;
    return code
      .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
      .replaceAll('import.meta.dirname', JSON.stringify(dirname(id)))
      .replaceAll('import.meta.filename', JSON.stringify(id));
  },
};

/** Gives a folder that is named by what is in it: whoever runs other tests of the same sources shares it. Old ones are removed. */
function write(files: ReadonlyMap<string, string>): string {
  mkdirSync(bundles, { recursive: true });
  for (const name of readdirSync(bundles)) {
    const folder = join(bundles, name);
    if (Date.now() - statSync(folder).mtimeMs > oldAfterMs) rmSync(folder, { recursive: true, force: true });
  }
  const hash = createHash('sha256');
  for (const [file, text] of files) hash.update(`${file}\n${text}\n`);
  const folder = join(bundles, hash.digest('hex').slice(0, 16));
  const unfinished = `${folder}.${process.pid}`;
  for (const [file, text] of files) {
    mkdirSync(dirname(join(unfinished, file)), { recursive: true });
    writeFileSync(join(unfinished, file), text);
  }
  try {
    renameSync(unfinished, folder);
  } catch {
    rmSync(unfinished, { recursive: true }); // it is there
    utimesSync(folder, new Date(), new Date());
  }
  return folder;
}
