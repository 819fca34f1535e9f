/** Generates the code of proto/ into a temporary folder and compares it with what is committed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const committed = join('packages', 'protocol', 'src', 'gen');
const folder = mkdtempSync(join(tmpdir(), 'singletree-generated-'));
try {
  // buf.gen.yaml writes to ../packages/protocol/src/gen, seen from the folder that -o names.
  execFileSync('buf', ['generate', '-o', join(folder, 'proto')], { cwd: join(root, 'proto'), stdio: 'inherit' });
  const { status } = spawnSync('diff', ['-r', committed, join(folder, committed)], { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    console.error(`${committed} is not what proto/ gives: run pnpm generate`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
