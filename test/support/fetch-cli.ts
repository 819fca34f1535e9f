import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const toolchain = join(import.meta.dirname, '../../.toolchain');

/** A coding-agent CLI of npm in the version that its plugin was recorded with. */
export interface PinnedCli {
  /** Names its folder in the checkout's toolchain. */
  readonly name: string;
  readonly packageName: string;
  readonly version: string;
  /** The program within the package. */
  readonly program: string;
}

export function programOf({ name, packageName, version, program }: PinnedCli): string {
  return join(toolchain, `${name}-${version}`, 'node_modules', packageName, program);
}

/** Fetches it from npm where it is not there yet: whole or not at all. No install script is run. */
export async function fetchCli(cli: PinnedCli): Promise<void> {
  const { name, packageName, version } = cli;
  const executable = programOf(cli);
  if (existsSync(executable)) return;
  mkdirSync(toolchain, { recursive: true });
  const scratch = mkdtempSync(join(toolchain, 'fetch-'));
  try {
    // npm installs where a package.json is.
    writeFileSync(join(scratch, 'package.json'), '{}');
    const flags = ['--ignore-scripts', '--prefer-offline', '--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
    const npm = spawn('npm', ['install', ...flags, `${packageName}@${version}`], { cwd: scratch, stdio: ['ignore', 'ignore', 'pipe'] });
    const said = text(npm.stderr);
    const [code] = await once(npm, 'close');
    if (code !== 0) throw new Error(`npm could not fetch ${packageName} ${version}\n${(await said).trim()}`);
    // Another run may have been faster: the same version, so as good as ours.
    if (!existsSync(executable)) renameSync(scratch, join(toolchain, `${name}-${version}`));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
