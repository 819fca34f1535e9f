import { DomainError } from '../errors.ts';
import type { ControlAnswer } from '../store/store.ts';
import { isRefusal } from '../task/change.ts';
import { decide } from '../task/decide.ts';
import { scopesOf, type KillSwitch } from '../task/scopes.ts';
import { changeSetOf } from './change-set.ts';
import { mostTries, type EngineParts } from './engine.ts';
import { isKilled, killing } from './kill.ts';
import { assertSame, hashed, type ClientRequest } from './request.ts';

export type Engaged = Extract<ControlAnswer, { kind: 'engaged' }>;

/** Throws kill switches and takes them back, as rows and as stops of tasks. Like the engine: no state of its own, no loop, no process. */
export class KillSwitches {
  readonly #parts: EngineParts;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /**
   * One transaction throws the switch and stops every task of its scope that has been dispatched, so that none slips through. One that is
   * thrown already is carried out again, and keeps who threw it first, why and when.
   */
  async engage({ scope, by, why }: Omit<KillSwitch, 'at'>, asked?: ClientRequest): Promise<Engaged> {
    const { store, now, destinations } = this.#parts;
    const request = asked && hashed(asked);
    for (let tries = 0; tries < mostTries; tries++) {
      const earlier = await this.#answered(request);
      if (earlier?.kind === 'engaged') return earlier;
      const at = now();
      const first = (await store.killSwitches()).find((each) => each.scope === scope);
      const killSwitch = first ?? { scope, by, ...(why === undefined ? {} : { why }), at };
      const hit = (await store.leased()).filter((task) => scopesOf(task).includes(scope));
      const decided = hit.flatMap((task) => {
        const decision = isKilled(task) ? undefined : decide(task, killing(killSwitch), at);
        return decision && !isRefusal(decision) ? [{ before: task, decision }] : [];
      });
      // What had not begun yet waits in the queue again, and has not been ended.
      const spared = decided.filter(({ decision }) => decision.task.state === 'created').map(({ before }) => before.id);
      const taskIds = hit.map(({ id }) => id).filter((id) => !spared.includes(id));
      const answer: Engaged = { kind: 'engaged', killSwitch, taskIds };
      const result = await store.commitControl({
        engage: killSwitch,
        hit: hit.map(({ id }) => id),
        tasks: decided.map(({ before, decision }) => changeSetOf(before, decision, destinations)),
        ...(request ? { request: { ...request, answer } } : {}),
        at,
      });
      if (result === 'committed') return answer;
    }
    throw new DomainError('INTERNAL', `the kill switch ${scope} met a conflict ${mostTries} times`);
  }

  /** Takes a switch back. False: it was not thrown. */
  async release(scope: string, asked?: ClientRequest): Promise<boolean> {
    const { store, now } = this.#parts;
    const request = asked && hashed(asked);
    for (let tries = 0; tries < mostTries; tries++) {
      const earlier = await this.#answered(request);
      if (earlier?.kind === 'released') return earlier.released;
      const released = (await store.killSwitches()).some((each) => each.scope === scope);
      const answer: ControlAnswer = { kind: 'released', released };
      const result = await store.commitControl({ release: scope, ...(request ? { request: { ...request, answer } } : {}), at: now() });
      if (result === 'committed') return released;
    }
    throw new DomainError('INTERNAL', `taking back the kill switch ${scope} met a conflict ${mostTries} times`);
  }

  /** What a request that has done its work was answered. */
  async #answered(request: { readonly id: string; readonly hash: string } | undefined): Promise<ControlAnswer | undefined> {
    const earlier = request && (await this.#parts.store.request(request.id));
    if (!earlier) return undefined;
    assertSame(request, earlier);
    return 'answer' in earlier ? earlier.answer : undefined;
  }
}
