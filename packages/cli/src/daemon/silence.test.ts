import { setTimeout as sleep } from 'node:timers/promises';
import { NoDaemonError, type CallSettings, type Singletree } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { tellOfSilence } from './silence.ts';

/** What is told within a tenth of a second of a daemon that answers like this. */
async function told(list: (settings?: CallSettings) => Promise<never[]>): Promise<string[]> {
  const texts: string[] = [];
  const killSwitch: Partial<Singletree['killSwitch']> = { list };
  tellOfSilence({ killSwitch: killSwitch as Singletree['killSwitch'] }, (text) => texts.push(text), 10);
  await sleep(100);
  return texts;
}

test('a daemon that answers nothing is told of, once; one that answers, or is none, is not', async () => {
  const never = ({ signal }: CallSettings = {}): Promise<never> =>
    new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
  expect(await told(never)).toEqual(['the daemon does not answer; singletree doctor tells more']);
  expect(await told(async () => [])).toEqual([]);
  expect(await told(async () => Promise.reject(new NoDaemonError('none')))).toEqual([]);
});
