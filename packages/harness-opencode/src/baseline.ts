import { countOf, objectOf, type Baseline, type SessionFile } from '@singletree/harness';
import { readSessions, type Message } from './session-rows.ts';

/** How many answers each session had before an attempt went on in the first of them. Answers are only ever added. */
const version = 1;

/**
 * Undefined where the database does not know the session, which the CLI would refuse to resume, and where the session was begun in another
 * folder: there the CLI would call the model and neither print anything nor ever end.
 */
export function baselineOf(sessionId: string, files: readonly SessionFile[], workspace?: string): Baseline | undefined {
  const { sessions, messages } = readSessions(files);
  const own = sessions.find(({ id }) => id === sessionId);
  if (!own || (workspace !== undefined && own.directory !== undefined && own.directory !== workspace)) return undefined;
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
