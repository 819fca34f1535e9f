/** A step from one schema to the next. Once released it is never edited: its checksum is stored where it was applied. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** In order; the n-th makes `user_version` n. */
export const migrations: readonly Migration[] = [
  {
    name: 'tasks, events, completions, outbox, requests, reservations',
    // The spec never changes and may be large (a prompt of 1 MiB), so it has a table of its own and is not written again with each version.
    sql: `
      CREATE TABLE tasks (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        priority INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        not_before INTEGER,
        lease_owner TEXT,
        fence INTEGER NOT NULL,
        version INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        harness TEXT NOT NULL,
        in_place_path TEXT,
        doc TEXT NOT NULL
      ) STRICT;
      CREATE INDEX tasks_by_state ON tasks (state, id);
      CREATE INDEX tasks_claimable ON tasks (priority DESC, created_at, id)
        WHERE state = 'created' OR (state = 'in_review' AND lease_owner IS NULL);
      CREATE INDEX tasks_leased ON tasks (id) WHERE lease_owner IS NOT NULL;
      CREATE INDEX tasks_waiting ON tasks (not_before) WHERE not_before IS NOT NULL;

      CREATE TABLE specs (
        task_id TEXT PRIMARY KEY REFERENCES tasks (id),
        doc TEXT NOT NULL
      ) STRICT;

      CREATE TABLE events (
        task_id TEXT NOT NULL REFERENCES tasks (id),
        sequence INTEGER NOT NULL,
        at INTEGER NOT NULL,
        doc TEXT NOT NULL,
        PRIMARY KEY (task_id, sequence)
      ) STRICT;

      CREATE TABLE completions (
        task_id TEXT PRIMARY KEY REFERENCES tasks (id),
        doc TEXT NOT NULL
      ) STRICT;

      CREATE TABLE outbox (
        task_id TEXT NOT NULL REFERENCES completions (task_id),
        destination TEXT,
        signal TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'undirected')),
        created_at INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        delivered_at INTEGER,
        last_error TEXT,
        payload BLOB,
        UNIQUE (task_id, signal, destination),
        CHECK ((destination IS NULL) = (state = 'undirected'))
      ) STRICT;
      CREATE INDEX outbox_by_age ON outbox (destination, created_at, task_id, due_at) WHERE state = 'pending';
      CREATE INDEX outbox_by_due ON outbox (destination, due_at) WHERE state = 'pending';

      CREATE TABLE requests (
        id TEXT PRIMARY KEY,
        hash TEXT NOT NULL,
        task_id TEXT NOT NULL REFERENCES tasks (id),
        at INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE reservations (
        path TEXT PRIMARY KEY,
        task_id TEXT NOT NULL REFERENCES tasks (id)
      ) STRICT;
      CREATE INDEX reservations_by_task ON reservations (task_id);

      CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
      ) STRICT;
    `,
  },
  {
    name: 'kill switches',
    // The scopes of a task stand in its row, so that due tasks and a switch that is thrown are compared by the database alone. A request
    // may have changed kill switches and no task, so the table of requests is made anew without its NOT NULL.
    sql: `
      CREATE TABLE kill_switches (
        scope TEXT PRIMARY KEY,
        thrown_by TEXT NOT NULL,
        why TEXT,
        thrown_at INTEGER NOT NULL
      ) STRICT;

      ALTER TABLE tasks ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';
      UPDATE tasks SET scopes = (SELECT scopes_of(tasks.doc, specs.doc) FROM specs WHERE task_id = tasks.id);

      CREATE TABLE all_requests (
        id TEXT PRIMARY KEY,
        hash TEXT NOT NULL,
        task_id TEXT REFERENCES tasks (id),
        answer TEXT,
        at INTEGER NOT NULL,
        CHECK ((task_id IS NULL) <> (answer IS NULL))
      ) STRICT;
      INSERT INTO all_requests (id, hash, task_id, at) SELECT id, hash, task_id, at FROM requests;
      DROP TABLE requests;
      ALTER TABLE all_requests RENAME TO requests;
    `,
  },
  {
    name: 'model calls',
    // The order of their rows is the order in which they first came. What a total holds beyond every call, by model, has no id.
    sql: `
      CREATE TABLE model_calls (
        task_id TEXT NOT NULL REFERENCES tasks (id),
        attempt INTEGER NOT NULL,
        call_id TEXT,
        doc TEXT NOT NULL,
        UNIQUE (task_id, attempt, call_id)
      ) STRICT;
      CREATE INDEX model_calls_in_order ON model_calls (task_id, attempt);
    `,
  },
  {
    name: 'metric totals',
    // Tasks that had finished before are counted too, so what is counted began with the first of them.
    sql: `
      CREATE TABLE metric_points (
        metric TEXT NOT NULL,
        labels TEXT NOT NULL,
        count INTEGER NOT NULL,
        sum INTEGER NOT NULL,
        buckets TEXT,
        PRIMARY KEY (metric, labels)
      ) STRICT;
      ALTER TABLE completions ADD COLUMN folded INTEGER NOT NULL DEFAULT 0;
      CREATE INDEX completions_unfolded ON completions (task_id) WHERE folded = 0;
      INSERT INTO meta (key, value)
        SELECT 'metrics_since', CAST(coalesce(min(created_at), CAST(unixepoch('subsec') * 1000 AS INTEGER)) AS TEXT) FROM tasks;
    `,
  },
  {
    name: 'rows of the outbox that are kept',
    sql: `CREATE INDEX outbox_kept ON outbox (state, created_at) WHERE state IN ('undirected', 'dead')`,
  },
  {
    name: 'several destinations',
    // The bytes of a record are the same for each destination, so they stand once. What happened to rows is counted where no row has to be kept for it.
    sql: `
      CREATE TABLE payloads (
        task_id TEXT NOT NULL REFERENCES completions (task_id),
        signal TEXT NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (task_id, signal)
      ) STRICT;
      INSERT INTO payloads SELECT task_id, signal, payload FROM outbox WHERE payload IS NOT NULL GROUP BY task_id, signal;
      ALTER TABLE outbox DROP COLUMN payload;
      CREATE INDEX outbox_delivered ON outbox (delivered_at) WHERE state = 'delivered';

      CREATE TABLE destinations (
        name TEXT PRIMARY KEY,
        delivered INTEGER NOT NULL DEFAULT 0,
        dead INTEGER NOT NULL DEFAULT 0,
        rejected INTEGER NOT NULL DEFAULT 0,
        metrics_at INTEGER
      ) STRICT;
      INSERT INTO destinations (name, delivered, dead)
        SELECT destination, sum(state = 'delivered'), sum(state = 'dead') FROM outbox WHERE destination IS NOT NULL GROUP BY destination;
      ALTER TABLE metric_points ADD COLUMN first_at INTEGER;
    `,
  },
  {
    name: 'completions in the order of their ends',
    sql: `
      ALTER TABLE completions ADD COLUMN completed_at INTEGER GENERATED ALWAYS AS (doc ->> '$.completedAt') VIRTUAL;
      CREATE INDEX completions_in_order ON completions (completed_at, task_id)`,
  },
];
