import {
  arrayOf,
  instantOf,
  objectOf,
  parseJsonObject,
  stringOf,
  type JsonObject,
  type SessionFile,
  type SessionQuery,
} from '@singletree/harness';

/** A session and those of its sub-agents, as `opencode export` tells them too: one JSON object a line. Messages without their words. */
const sql = `
WITH RECURSIVE tree(id) AS (
  SELECT ?
  UNION
  SELECT session.id FROM session JOIN tree ON session.parent_id = tree.id
),
rows(line, rank, place) AS (
  SELECT json_object('info', json_object('id', s.id, 'parentID', s.parent_id, 'version', s.version, 'directory', s.directory)), 0, s.rowid
  FROM session s JOIN tree ON s.id = tree.id
  UNION ALL
  SELECT
    json_object(
      'info', json_object(
        'id', m.id,
        'sessionID', m.session_id,
        'role', m.data ->> '$.role',
        'providerID', m.data ->> '$.providerID',
        'modelID', m.data ->> '$.modelID',
        'summary', json(m.data -> '$.summary'),
        'error', json(m.data -> '$.error.name'),
        'time', json(m.data -> '$.time')
      ),
      'parts', json((
        SELECT json_group_array(json(steps.part)) FROM (
          SELECT json_object('type', p.data ->> '$.type', 'tokens', json(p.data -> '$.tokens'), 'cost', p.data ->> '$.cost') AS part
          FROM part p
          WHERE p.message_id = m.id AND p.data ->> '$.type' IN ('step-start', 'step-finish')
          ORDER BY p.rowid
        ) steps
      ))
    ),
    1,
    m.rowid
  FROM message m JOIN tree ON m.session_id = tree.id
  WHERE m.data ->> '$.role' = 'assistant'
)
SELECT line FROM rows ORDER BY rank, place`;

export function sessionQueries(sessionId: string): readonly SessionQuery[] {
  const databases = ['$XDG_DATA_HOME/opencode/opencode.db', '.local/share/opencode/opencode.db'];
  return databases.map((path) => ({ path, sql, parameters: [sessionId] }));
}

export interface Session {
  readonly id: string;
  readonly parentId: string | undefined;
  /** The real path of the folder in which it was begun. */
  readonly directory: string | undefined;
  /** Of the CLI that made it. */
  readonly version: string | undefined;
}

/** An answer of a model's, or one that never came. Its call has the same id. */
export interface Message {
  readonly id: string;
  readonly sessionId: string;
  /** As `provider/model`. */
  readonly model: string | undefined;
  readonly isSummary: boolean;
  readonly hasFailed: boolean;
  /** When it was complete, in milliseconds since 1970. */
  readonly completedAt: number | undefined;
  /** How often the answer began: more often than it came to an end where it broke off. */
  readonly begun: number;
  readonly steps: readonly { readonly tokens: JsonObject; readonly cost: unknown }[];
}

export interface Sessions {
  readonly sessions: readonly Session[];
  /** In the order in which they were begun. */
  readonly messages: readonly Message[];
}

/** Reads the rows of the query, or what `opencode export` printed. What both tell is there once. */
export function readSessions(files: readonly SessionFile[]): Sessions {
  const sessions = new Map<string, Session>();
  const messages = new Map<string, Message>();
  for (const entry of files.flatMap(({ bytes }) => entriesIn(bytes))) {
    const info = objectOf(entry['info']);
    const [id, sessionId] = [stringOf(info['id']), stringOf(info['sessionID'])];
    if (id === undefined) continue;
    if (sessionId === undefined) sessions.set(id, sessionOf(id, info));
    else if (info['role'] === 'assistant')
      messages.set(
        id,
        messageOf(
          id,
          sessionId,
          info,
          arrayOf(entry['parts']).map((part) => objectOf(part)),
        ),
      );
  }
  return { sessions: [...sessions.values()], messages: [...messages.values()] };
}

function sessionOf(id: string, info: JsonObject): Session {
  const [parentId, version, directory] = [stringOf(info['parentID']), stringOf(info['version']), stringOf(info['directory'])];
  return { id, parentId, version, directory };
}

function messageOf(id: string, sessionId: string, info: JsonObject, parts: readonly JsonObject[]): Message {
  const [provider, model] = [stringOf(info['providerID']), stringOf(info['modelID'])];
  return {
    id,
    sessionId,
    model: provider === undefined || model === undefined ? undefined : `${provider}/${model}`,
    isSummary: info['summary'] === true || info['summary'] === 1,
    hasFailed: info['error'] !== undefined && info['error'] !== null,
    completedAt: instantOf(objectOf(info['time'])['completed']),
    begun: parts.filter((part) => part['type'] === 'step-start').length,
    steps: parts.flatMap((part) => (part['type'] === 'step-finish' ? [{ tokens: objectOf(part['tokens']), cost: part['cost'] }] : [])),
  };
}

function entriesIn(bytes: Uint8Array): readonly JsonObject[] {
  const text = Buffer.from(bytes).toString('utf8');
  const whole = parseJsonObject(text);
  if (whole && Array.isArray(whole['messages'])) return [whole, ...arrayOf(whole['messages']).map((message) => objectOf(message))];
  return text.split('\n').flatMap((line): JsonObject[] => {
    const json = parseJsonObject(line); // undefined for the line of a file that was cut off
    return json ? [json] : [];
  });
}
