#!/usr/bin/env node
/**
 * `node tools/run.mjs SCRIPT [ARGS]` brings what this checkout pins (pnpm, the packages, and Node where PATH's is too old) and runs a script
 * of package.json with it; without SCRIPT it only brings them. Needs Node 18, npm and git. Writes into the checkout and into npm's and
 * pnpm's own caches, nowhere else. Has no dependencies, because it runs before there are any.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const toolchain = join(root, '.toolchain');
const read = (...path) => readFileSync(join(root, ...path), 'utf8');

const pnpmVersion = JSON.parse(read('package.json')).packageManager.replace('pnpm@', '');
const nodeVersion = read('.node-version').trim();
const nodePackage = `node-linux-${process.arch}`;
const pnpmFolder = join(toolchain, `pnpm-${pnpmVersion}`);
const nodeFolder = join(toolchain, `node-${nodeVersion}`);
const stamp = join(root, 'node_modules', '.installed');

/** Older ones print a warning for node:sqlite at every start. `./singletree` asks the same. */
const nodeIsNewEnough = atLeast(process.versions.node, 24, 15);

const [script, ...args] = process.argv.slice(2);
const env = environment();

checkMachine();
await bring();
if (script === 'demo') await quietly('turbo', ['run', 'build', '--output-logs=errors-only'], 'the build failed');
if (script !== undefined) handOver('pnpm', ['--silent', 'run', script, ...args]);

async function bring() {
  if (isComplete()) return utimesSync(stamp, new Date(), new Date()); // `./singletree` compares its time with the lockfile's
  mkdirSync(toolchain, { recursive: true });
  holdLock();
  await Promise.all([
    nodeIsNewEnough || fetched(nodeFolder, `${nodePackage}@${nodeVersion}`, `Node ${nodeVersion} (PATH has ${process.versions.node})`),
    fetched(pnpmFolder, `pnpm@${pnpmVersion}`, `pnpm ${pnpmVersion}`, ['node_modules/pnpm/install.js']),
  ]);
  if (isComplete()) return;
  const inputs = inputsOfInstall();
  say('installing the packages that pnpm-lock.yaml names');
  await quietly('pnpm', ['install', '--frozen-lockfile', '--prefer-offline'], 'the packages could not be installed', { CI: 'true' });
  writeFileSync(stamp, inputs);
}

function isComplete() {
  const hasTools = existsSync(pnpmFolder) && (nodeIsNewEnough || existsSync(nodeFolder));
  return hasTools && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputsOfInstall();
}

/** A digest of everything that decides what an install does. */
function inputsOfInstall() {
  const folders = ['.', ...readdirSync(root), ...readdirSync(join(root, 'packages')).map((name) => join('packages', name))];
  const manifests = folders.map((folder) => join(folder, 'package.json')).filter((path) => existsSync(join(root, path)));
  const hash = createHash('sha256');
  for (const path of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]) hash.update(`${path}\n${read(path)}\n`);
  return hash.digest('hex');
}

/** Two starts at once: the second waits here. The kernel frees the lock with this process, however it ends. */
function holdLock() {
  const lock = openSync(join(toolchain, 'lock'), 'w');
  const flock = (...options) => spawnSync('flock', [...options, '3'], { stdio: ['ignore', 'inherit', 'inherit', lock] });
  if (flock('--nonblock').status !== 1) return;
  say('waiting for another start of this checkout to finish its installation');
  flock();
}

/** Puts one npm package into `folder`: whole or not at all. `setup` is what its own install script would do; npm is not let run those. */
async function fetched(folder, spec, label, setup) {
  if (existsSync(folder)) return;
  say(`fetching ${label} from npm`);
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished);
  writeFileSync(join(unfinished, 'package.json'), '{}'); // npm installs here; its --prefix would lose the machine's own npmrc
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-save', '--no-package-lock', '--no-audit'];
  // By the Node that npm came with: another one's npm does not find the machine's own npmrc.
  await quietly('npm', ['install', ...flags, spec], `npm could not fetch ${spec}`, { PATH: process.env.PATH }, unfinished);
  if (setup) await quietly(process.execPath, setup, `${spec} could not be set up`, {}, unfinished);
  renameSync(unfinished, folder);
}

/** Runs a command; what it prints is shown only if it fails. */
async function quietly(command, argv, failure, extra = {}, cwd = root) {
  const child = spawn(command, argv, { cwd, env: { ...env, ...extra }, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [];
  child.stdout.on('data', (chunk) => output.push(chunk));
  child.stderr.on('data', (chunk) => output.push(chunk));
  const status = await new Promise((resolve) => child.on('error', (error) => resolve(error.message)).on('close', resolve));
  if (status !== 0) fail(`${failure} (${command}: ${status})\n${Buffer.concat(output)}`);
}

/** Becomes the script: its exit status is ours. A terminal sends Ctrl-C to the script too, which decides what that means. */
function handOver(command, argv) {
  const child = spawn(command, argv, { cwd: root, env, stdio: 'inherit' });
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

function environment() {
  const pinned = [
    join(pnpmFolder, 'node_modules', '.bin'),
    ...(nodeIsNewEnough ? [] : [join(nodeFolder, 'node_modules', nodePackage, 'bin')]),
  ];
  return {
    ...process.env,
    PATH: [...pinned, join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
    SINGLETREE_USER_PATH: process.env.SINGLETREE_USER_PATH ?? userPath(),
    TURBO_TELEMETRY_DISABLED: '1',
    TURBO_NO_UPDATE_NOTIFIER: '1',
    DO_NOT_TRACK: '1',
  };
}

/** The PATH of the person's shell: without what npm, pnpm and we put in front of it for a script. */
function userPath() {
  const isAdded = (entry) =>
    entry.startsWith(join(root, '/')) ||
    entry.endsWith('/node-gyp-bin') ||
    (entry.endsWith('/node_modules/.bin') && root.startsWith(dirname(dirname(entry))));
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !isAdded(entry))
    .join(delimiter);
}

function checkMachine() {
  const here = `${process.platform} ${process.arch}`;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch))
    fail(`runs on Linux with glibc, x64 or arm64; this is ${here}`);
  if (!atLeast(process.versions.node, 18, 0)) fail(`needs Node 18 or later to start; this is ${process.versions.node}`);
  if (spawnSync('git', ['--version']).error) fail('needs git, which is not on PATH');
  if (existsSync(pnpmFolder)) return;
  process.report.excludeNetwork = true; // else the report looks up host names, which takes seconds without a network
  if (!process.report.getReport().header.glibcVersionRuntime)
    fail(`runs on Linux with glibc; this Node (${process.execPath}) was built for another C library`);
}

function atLeast(version, major, minor) {
  const [ours, theirs] = version.split('.').map(Number);
  return ours > major || (ours === major && theirs >= minor);
}

function say(what) {
  process.stderr.write(`singletree: ${what} …\n`);
}

function fail(what) {
  process.stderr.write(`singletree: ${what}\n`);
  process.exit(1);
}
