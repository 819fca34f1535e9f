import { writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Pace } from './pace.ts';
import { forThisStartOnly } from './start-variables.ts';

/** OpenCode's hooks, as far as they are used here. Nothing of Singletree's is imported: this file runs in OpenCode. */
interface Hooks {
  /** Called with all that happens, in every session, as it happens: `run` prints it up to 0.1 s later, and of one session only. */
  readonly event: (input: { readonly event: { readonly type: string; readonly properties: Properties } }) => Promise<void>;
  /** Awaited before each model call of every session. */
  readonly 'chat.params': () => Promise<void>;
}

interface Properties {
  readonly sessionID?: string;
  readonly info?: { readonly id: string; readonly providerID?: string; readonly modelID?: string };
  readonly part?: { readonly type: string; readonly messageID: string };
}

/**
 * A plugin for OpenCode itself, loaded where a task has a limit on what it may use: writes each model call of every session into the log as soon
 * as OpenCode knows it, sub-agents' included, and holds the next calls back for as long as it takes to be stopped.
 */
export default async function meter(): Promise<Hooks> {
  forThisStartOnly();
  const pace = new Pace(() => performance.now(), setTimeout);
  const models = new Map<string, string>();
  write({ type: 'singletree_meter' });
  return {
    event: async ({ event: { type, properties } }) => {
      const { sessionID, info, part } = properties;
      if (type === 'message.updated' && info?.providerID && info.modelID) models.set(info.id, `${info.providerID}/${info.modelID}`);
      if (type !== 'message.part.updated' || (part?.type !== 'step-start' && part?.type !== 'step-finish')) return;
      write({ type: 'singletree_step', timestamp: Date.now(), sessionID, model: models.get(part.messageID), part });
      if (part.type === 'step-finish') pace.told();
    },
    'chat.params': async () => await pace.begin(),
  };
}

/** One write for each line: what OpenCode writes itself cannot come between. */
function write(line: object): void {
  try {
    writeSync(1, `${JSON.stringify(line)}\n`);
  } catch {
    // The disk is full, say. The agent works on; the daemon sees what it can read.
  }
}
