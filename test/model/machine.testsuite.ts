import type { ProcessExit, StopKind } from '../../packages/core/src/task/task.ts';
import type { Start } from '../support/history.ts';

/** A process directory of a machine that is only thought of, and what goes on in it. Like a real one it outlives the daemon. */
export interface Box {
  readonly name: string;
  readonly role: 'setup' | 'harness' | 'gate';
  /** Scopes of the kill switch that hit it, as its specification holds them. */
  readonly scopes: readonly string[];
  state: 'unowned' | 'running' | 'exited' | 'dead' | 'revoked';
  /** Bytes on its standard output. */
  said: number;
  /** Whether the agent has given its final result. */
  spoke: boolean;
  startedAt: number;
  exit?: ProcessExit;
}

/** What may happen to a process by itself. */
export type Happening = 'says' | 'ends well' | 'fails' | 'is silent about its end' | 'crashes' | 'shim dies' | 'limit';

/** As often as it is named. */
export const happenings: Readonly<Record<Box['role'], readonly Happening[]>> = {
  harness: [
    'says',
    'says',
    'says',
    'ends well',
    'ends well',
    'ends well',
    'fails',
    'is silent about its end',
    'crashes',
    'shim dies',
    'limit',
  ],
  setup: ['ends well', 'ends well', 'ends well', 'ends well', 'ends well', 'ends well', 'fails', 'shim dies', 'shim dies', 'limit'],
  gate: ['ends well', 'ends well', 'ends well', 'fails', 'fails', 'crashes', 'shim dies', 'shim dies', 'limit'],
};

/** Shims and what they run: what they do does not depend on whether a daemon lives. */
export class Machine {
  readonly boxes = new Map<string, Box>();
  readonly starts: Start[] = [];
  /** Scopes that are in the kill switch's file. */
  killSwitch: readonly string[] = [];

  /** Prepares a directory. One that nobody owns is written anew, as by a daemon that died before it had named it. */
  prepare(name: string, role: Box['role'], scopes: readonly string[]): void {
    const before = this.boxes.get(name);
    if (before !== undefined && before.state !== 'unowned') throw new Error(`${name} is ${before.state} and prepared again`);
    this.boxes.set(name, { name, role, scopes, state: 'unowned', said: 0, spoke: false, startedAt: 0 });
  }

  box(name: string): Box {
    const box = this.boxes.get(name);
    if (!box) throw new Error(`${name} was named before it was prepared`);
    return box;
  }

  /** A shim wins the directory, unless somebody has. It starts nothing that the kill switch hits. */
  startShim(box: Box, now: number): void {
    if (box.state !== 'unowned') return;
    Object.assign(box, { state: 'running', startedAt: now });
    if (this.#isHit(box)) return this.#exit(box, now, { code: null, signal: null, stop: 'kill' });
    const [taskId = '', attempt = '', process = ''] = box.name.split('/');
    this.starts.push({ taskId, attempt: Number(attempt), process });
  }

  revoke(box: Box): void {
    if (box.state === 'unowned') box.state = 'revoked';
  }

  /** The shim carries out a stop: at once, here. */
  stop(box: Box, kind: StopKind, now: number): void {
    if (box.state === 'running') this.#exit(box, now, { code: null, signal: 'SIGINT', stop: kind });
  }

  /** Every shim looks at the file by itself. */
  obeyKillSwitch(now: number): void {
    for (const box of this.boxes.values()) if (box.state === 'running' && this.#isHit(box)) this.stop(box, 'kill', now);
  }

  happen(box: Box, what: Happening, now: number): void {
    if (box.state !== 'running') return;
    switch (what) {
      case 'says':
        box.said += 10;
        return;
      case 'ends well':
        box.said += 7;
        box.spoke = true;
        return this.#exit(box, now, { code: 0, signal: null });
      case 'fails':
        box.spoke = true;
        return this.#exit(box, now, { code: 1, signal: null });
      case 'is silent about its end':
        return this.#exit(box, now, { code: 0, signal: null });
      case 'crashes':
        return this.#exit(box, now, { code: null, signal: 'SIGSEGV' });
      case 'shim dies':
        box.state = 'dead';
        return;
      case 'limit':
        return this.#exit(box, now, { code: null, signal: 'SIGKILL', stop: box.role === 'harness' ? 'attempt_timeout' : 'timeout' });
    }
  }

  #isHit({ scopes }: Box): boolean {
    return scopes.some((scope) => this.killSwitch.includes(scope));
  }

  #exit(box: Box, now: number, how: Pick<ProcessExit, 'code' | 'signal' | 'stop'>): void {
    const { startedAt, said } = box;
    const durationMs = Math.max(0, now - startedAt);
    const lengths = { stdout: said, stderr: 0 };
    Object.assign(box, {
      state: 'exited',
      exit: { ...how, startedAt, endedAt: now, durationMs, lengths, survivors: [] } satisfies ProcessExit,
    });
  }
}
