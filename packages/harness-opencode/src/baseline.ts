import { countOf, objectOf, type Baseline, type SessionFile } from '@singletree/harness';
import { readSessions, type Message } from './session-rows.ts';

/** How many answers each session had before an attempt went on in the first of them. Answers are only ever added. */
const version = 1;

/** Undefined where the database does not know the session: the CLI would refuse to resume it. */
export function baselineOf(sessionId: string, files: readonly SessionFile[]): Baseline | undefined {
  const { sessions, messages } = readSessions(files);
  if (!sessions.some(({ id }) => id === sessionId)) return undefined;
  const counts: Record<string, number> = {};
  for (const message of messages) counts[message.sessionId] = (counts[message.sessionId] ?? 0) + 1;
  return { version, data: { messages: counts } };
}

/** The answers that the attempt asked for. */
export function messagesSince(baseline: Baseline | undefined, messages: readonly Message[]): readonly Message[] {
  const before = objectOf(baseline?.data['messages']);
  const seen = new Map<string, number>();
  return messages.filter(({ sessionId }) => {
    const place = (seen.get(sessionId) ?? 0) + 1;
    seen.set(sessionId, place);
    return place > (countOf(before[sessionId]) ?? 0);
  });
}
