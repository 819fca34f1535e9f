import { resolve } from 'node:path';
import { stateFolder } from '@singletree/sdk';
import type { Call, World } from '../call.ts';
import { answering } from './answering.ts';
import { startDetached } from './start.ts';

/** What `run` starts where no daemon runs ends by itself after so long without work. */
const idle = '15m';

/**
 * Sees to it that a daemon answers: starts one where none runs, else says in what the one that runs differs from the one that would be
 * started. One that was named by its address is nobody's to start: the next call tells what is wrong with it.
 */
export async function ensureDaemon(call: Call, config: string | undefined): Promise<void> {
  const { target, world } = call;
  if (call.isRemote) return;
  if (await answering(target)) {
    const { differences } = await import('./differences.ts');
    const found = differences(resolve(world.cwd, stateFolder(target)), configOf(config, world), world.env);
    for (const difference of found) call.warn(difference);
    if (found.length > 0) call.note('  to take yours: singletree down && singletree up --detach');
    return;
  }
  const state = resolve(world.cwd, stateFolder(target));
  const { warnings } = await startDetached({ state, config: configOf(config, world), idle, env: world.env });
  for (const warning of warnings) call.warn(warning);
}

/** The configuration file that was named, by its absolute path: a daemon does not share our working directory. */
export function configOf(flag: string | undefined, { env, cwd }: World): string | undefined {
  const named = flag ?? env['SINGLETREE_CONFIG'];
  return named === undefined || named === '' ? undefined : resolve(cwd, named);
}
