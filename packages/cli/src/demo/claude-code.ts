import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { DemoFailure } from './failure.ts';

/** The newest version that the plugin was recorded with. */
const version = '2.1.329';

/** Its native builds for glibc, and the megabytes that npm downloads of each. */
const builds: Readonly<Record<string, { readonly name: string; readonly megabytes: number } | undefined>> = {
  x64: { name: '@anthropic-ai/claude-code-linux-x64', megabytes: 174 },
  arm64: { name: '@anthropic-ai/claude-code-linux-arm64', megabytes: 175 },
};

/** The pinned Claude Code, in the project's own toolchain or not there yet. */
export interface ClaudeCode {
  readonly version: string;
  /** Absolute path. */
  readonly executable: string;
  /** What npm downloads. */
  readonly megabytes: number;
  readonly isInstalled: boolean;
  readonly packageName: string;
  readonly folder: string;
}

/** Throws where there is no build for the machine. */
export function findClaudeCode(toolchain: string, platform: string = process.platform, arch: string = process.arch): ClaudeCode {
  const build = platform === 'linux' ? builds[arch] : undefined;
  if (build === undefined) {
    throw new DemoFailure(`the demo needs Linux on x64 or arm64: Claude Code ${version} was not tried on ${platform} ${arch}`);
  }
  const { name: packageName, megabytes } = build;
  const folder = join(toolchain, `claude-code-${version}`);
  const executable = join(folder, 'node_modules', packageName, 'claude');
  return { version, executable, megabytes, isInstalled: existsSync(executable), packageName, folder };
}

/**
 * Fetches it from npm, whole or not at all, by way of a folder on the same file system. Only the native build of this machine: the
 * package `@anthropic-ai/claude-code` merely chooses among all of them.
 */
export async function fetchClaudeCode({ packageName, folder }: ClaudeCode, scratch: string, signal: AbortSignal): Promise<void> {
  const unfinished = join(scratch, 'claude-code');
  mkdirSync(unfinished);
  // npm installs where a package.json is; its --prefix would lose the machine's own npmrc.
  writeFileSync(join(unfinished, 'package.json'), '{}');
  await install(`${packageName}@${version}`, unfinished, signal);
  mkdirSync(join(folder, '..'), { recursive: true });
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    // Another demo of this checkout was faster: the same version, so as good as ours.
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST'))) throw error;
  }
}

async function install(spec: string, folder: string, signal: AbortSignal): Promise<void> {
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
  const npm = spawn('npm', ['install', ...flags, spec], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], signal });
  const said = text(npm.stderr);
  const ending = await once(npm, 'close').catch((error: unknown) => {
    signal.throwIfAborted();
    throw new DemoFailure(`npm could not be started: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (ending[0] !== 0) throw new DemoFailure(`npm could not fetch ${spec}\n${(await said).trim()}`);
}
