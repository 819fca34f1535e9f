import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { requestStop } from './directory.ts';
import { look } from './look.ts';
import type { ExitRecord, KillSwitchFile, KillSwitchWatch } from './protocol.ts';
import { findLiving } from './shim/process-table.ts';
import { ending, prepare, randomFrom, root, said, seed, spawnShim, start, until } from './testing.testsuite.ts';

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const killed = { stop: { kind: 'kill', hardness: 'kill', by: 'ann', at: 7 } };

let count = 0;
/** A kill switch of a test's own; nothing is written yet. */
function newSwitch(): { readonly watch: KillSwitchWatch; put(content: string): void; turn(...scopes: string[]): void } {
  const file = join(root, `kill-switch-${(count += 1)}.json`);
  const put = (content: string): void => {
    writeFileSync(`${file}.new`, content);
    renameSync(`${file}.new`, file);
  };
  return {
    watch: { file, scopes: ['all', 'harness=codex'] },
    put,
    turn: (...scopes) => put(JSON.stringify({ switches: scopes.map((scope) => ({ scope, by: 'ann', at: 7 })) } satisfies KillSwitchFile)),
  };
}

test.concurrent('a switch that is on keeps the child from being started', async () => {
  const { watch, turn } = newSwitch();
  turn('harness=codex');
  const directory = await start('echo started', { killSwitch: watch });
  expect(await ending(directory)).toMatchObject({ code: null, signal: null, durationMs: 0, ...killed });
  expect(said(directory)).toBe('');
  expect(existsSync(join(directory, 'run.json'))).toBe(false);
});

test.concurrent('one that is turned on kills without a grace, with no daemon', async () => {
  const { watch, turn } = newSwitch();
  const directory = await start('trap "" INT TERM; echo .; sleep 60', { killSwitch: watch, graces: { interruptMs: 60_000 } });
  await until(() => said(directory) !== '');
  turn('label=other', 'all');
  const turnedAt = performance.now();
  expect(await ending(directory)).toMatchObject({ signal: 'SIGKILL', survivors: [], ...killed });
  expect(performance.now() - turnedAt).toBeLessThan(5_000);
});

test.concurrent('one that is turned on while the child is being started kills it', async () => {
  const { watch, turn } = newSwitch();
  const directory = await prepare('sleep 60', { killSwitch: watch });
  spawnShim(directory, { env: { SINGLETREE_FAILPOINTS: `shim.spawn.before=hold:${directory}` } });
  await until(() => existsSync(join(directory, 'shim.spawn.before.hit')));
  turn('all');
  writeFileSync(join(directory, 'shim.spawn.before.go'), '');
  expect(await ending(directory)).toMatchObject({ signal: 'SIGKILL', ...killed });
});

test.concurrent('a file that is torn is no hit, before the start and after it; once it is whole it is one', async () => {
  const { watch, put, turn } = newSwitch();
  put('{"switches":[{"scope":"all"');
  const directory = await start('echo .; sleep 60', { killSwitch: watch });
  await until(() => said(directory) !== '');
  await sleep(600);
  expect((await look(directory)).kind).toBe('alive');
  turn('all');
  expect(await ending(directory)).toMatchObject(killed);
  expect(readFileSync(join(directory, 'shim.log'), 'utf8').match(/SyntaxError/g), 'it is said once').toHaveLength(1);
});

test.concurrent('a switch of another scope, or one that was released, is for others', async () => {
  const { watch, turn } = newSwitch();
  turn('harness=claude_code');
  const directory = await start('sleep 1.2; exit 4', { killSwitch: watch });
  await sleep(400);
  turn('model=all');
  await sleep(300);
  turn();
  const exit = await ending(directory);
  expect(exit).toMatchObject({ code: 4 });
  expect(exit.stop).toBeUndefined();
});

test.concurrent('what was asked for first is the cause, and the switch makes it harder', async () => {
  const { watch, turn } = newSwitch();
  const directory = await start('trap "echo ouch" INT; echo .; while :; do sleep 0.05; done', {
    killSwitch: watch,
    graces: { interruptMs: 60_000, terminateMs: 60_000 },
  });
  await until(() => said(directory) !== '');
  await requestStop(directory, { kind: 'cancel', hardness: 'interrupt', by: 'test', at: 1 });
  await until(() => said(directory).includes('ouch'));
  turn('all');
  expect(await ending(directory)).toMatchObject({ signal: 'SIGKILL', stop: { kind: 'cancel', by: 'test' } });
});

/**
 * A child that counts itself: pid and start time, into a file outside of its process directory. `leave` goes on in a session of its own without a parent,
 * `fork` starts one after the other until it is gone, `bare` does that with children that are known by nothing but their parent, `stopped` stops itself.
 */
const counting = `
read -r stat < /proc/$$/stat
set -- "$1" "$2" \${stat##*) }
echo "$$ \${22}" >> "$1"
trap '' HUP INT TERM
case "$2" in
  leave) (setsid sh "$0" "$1" stay &) ; exec sleep 300 ;;
  fork) while :; do setsid sh "$0" "$1" stay & sleep 0.02; done ;;
  bare) while :; do env -i PATH="$PATH" setsid sh "$0" "$1" stay & sleep 0.02; done ;;
  stopped) kill -STOP $$ ;;
esac
exec sleep 300
`;

test(
  `children that leave, fork, hear nothing or are stopped count themselves, and none lives on (seed ${seed})`,
  async () => {
    const random = randomFrom(seed);
    const program = join(root, 'counting.sh');
    writeFileSync(program, counting);
    const one = async (round: number): Promise<ExitRecord> => {
      const { watch, turn } = newSwitch();
      const counted = join(root, `counted-${round}`);
      const directory = await start(`for how in leave fork bare stopped stay; do setsid sh '${program}' '${counted}' $how & done; wait`, {
        killSwitch: watch,
      });
      const started = (): string[] => (existsSync(counted) ? readFileSync(counted, 'utf8').split('\n').slice(0, -1) : []);
      await until(() => started().length >= 10);
      await sleep(random() * 100);
      if (round % 2 === 0) turn('all');
      else await requestStop(directory, { kind: 'kill', hardness: 'kill', by: 'ann', at: 7 });
      const exit = await ending(directory);
      expect(exit).toMatchObject({ signal: 'SIGKILL', survivors: [], ...killed });
      // One that lives and has not counted itself yet has the file in its command line.
      expect(commandsWith(counted)).toEqual([]);
      const living = started().filter((line) => {
        const [pid = 0, startTime = 0] = line.split(' ').map(Number);
        expect(startTime).toBeGreaterThan(0);
        return findLiving({ pid, startTime }) !== undefined;
      });
      expect(living).toEqual([]);
      return exit;
    };
    const rounds = full ? 100 : 8;
    for (let round = 0; round < rounds; round += 2) await Promise.all([one(round), one(round + 1)]);
  },
  full ? 300_000 : 60_000,
);

test.concurrent('children that hand their life on to another one again and again are met all the same, and nobody is left', async () => {
  const { watch, turn } = newSwitch();
  const [program, lives] = [join(root, 'handing-on.sh'), join(root, 'lives')];
  writeFileSync(program, 'live() { echo >> "$1"; sleep 0.03; (( SECONDS < 40 )) && live "$1" & exit; }; live "$1"');
  const directory = await start(`for i in 1 2 3 4 5 6; do setsid bash '${program}' '${lives}' & done; exec sleep 60`, {
    killSwitch: watch,
  });
  const count = (): number => (existsSync(lives) ? readFileSync(lives).length : 0);
  await until(() => count() > 60);
  turn('all');
  expect(await ending(directory)).toMatchObject({ survivors: [], ...killed });
  const before = count();
  expect(commandsWith(lives)).toEqual([]);
  await sleep(300);
  expect(count()).toBe(before);
});

function commandsWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      } catch {
        return '';
      }
    })
    .filter((command) => command.includes(text));
}
