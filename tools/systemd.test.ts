import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const unit = readFileSync(join(dirname(import.meta.dirname), 'deploy/systemd/singletree.service'), 'utf8');

test.each([
  // With any other mode a restart would end the agents.
  ['KillMode', 'process'],
  ['Delegate', 'yes'],
  ['OOMPolicy', 'continue'],
  ['Type', 'exec'],
  ['Restart', 'on-failure'],
  ['RestartPreventExitStatus', '78'],
  ['ExecStart', '%h/.local/bin/singletree up'],
  ['ExecStop', '%h/.local/bin/singletree down --leave'],
  ['UMask', '0077'],
  ['NoNewPrivileges', 'yes'],
  ['LimitCORE', '0'],
  ['WantedBy', 'default.target'],
])('the unit has %s=%s', (key, value) => {
  expect(unit.split('\n').filter((line) => line.startsWith(`${key}=`))).toEqual([`${key}=${value}`]);
});

test('the page about it explains only what is in it', () => {
  const page = readFileSync(join(dirname(import.meta.dirname), 'docs/service.md'), 'utf8');
  const told = [...page.matchAll(/^\| `(\w+=\S+)`/gm)].map(([, line = '']) => line);
  expect(told.length).toBeGreaterThan(5);
  for (const line of told) expect(unit.split('\n')).toContain(line);
});

const isThere = spawnSync('systemd-analyze', ['--version']).status === 0;

test.skipIf(!isThere)(`systemd has nothing to complain about${isThere ? '' : ' (skipped: there is no systemd-analyze)'}`, () => {
  const home = mkdtempSync(join(tmpdir(), 'singletree-unit-'));
  try {
    const program = join(home, '.local/bin/singletree');
    mkdirSync(dirname(program), { recursive: true });
    mkdirSync(join(home, 'run'));
    writeFileSync(program, '#!/bin/sh\n');
    chmodSync(program, 0o755);
    const file = join(home, 'singletree.service');
    writeFileSync(file, unit);
    const env = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: join(home, 'run') };
    // It ends with 0 whatever it says of a key that it does not know; and it may have something to say of the machine's own units.
    const complaints = (): string[] => {
      const { stderr } = spawnSync('systemd-analyze', ['--user', 'verify', file], { env, encoding: 'utf8' });
      return stderr.split('\n').filter((line) => line.includes('singletree'));
    };
    expect(complaints()).toEqual([]);
    writeFileSync(file, unit.replace('Delegate=', 'Delagate='));
    expect(complaints()).toEqual([expect.stringContaining('Delagate')]);
  } finally {
    rmSync(home, { recursive: true });
  }
});
