// The tables of the embedded store and the steps that bring an older file up to them.
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../api.ts'

/**
 * One step per version, oldest first; a released step is never edited, only followed by another.
 *
 * Ids of homes, conversations, log, claim, push and timer rows come from one counter, so that `work` and `outcome` are keyed by the row they
 * belong to and rows made later have higher ids. What is written for every message is kept small and appended at the right edge of
 * its tree; tops of logs and inboxes are derived from the rows that are there, and written down only when retention cuts these.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    incarnation TEXT NOT NULL,
    next INTEGER NOT NULL,        -- the id the next row gets
    counter INTEGER NOT NULL,     -- the last fence or value version given out
    store_ms INTEGER NOT NULL,    -- the store clock, and the wall clock it was written at
    wall_ms INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    in_doubt INTEGER NOT NULL
  ) STRICT;

  -- Homes (kind 0, their inboxes) and conversations (kind 1, their logs), by place-key.ts. Names come in any order, so each new one
  -- touches a page of its own: one tree, in which a customer's home and usual conversation are neighbours.
  CREATE TABLE place (
    key TEXT NOT NULL,
    kind INTEGER NOT NULL,
    id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,             -- of the inbox; of the conversation's owner
    top INTEGER NOT NULL DEFAULT 0,     -- of the entries already cut; see the comment above
    oldest INTEGER NOT NULL DEFAULT 1,
    home INTEGER,                       -- of a conversation, as all below
    home_name TEXT,
    customer TEXT,                      -- where the key does not begin with it
    channel TEXT,
    agent TEXT,
    ticket TEXT,
    last TEXT,                          -- receivedAt of the newest row, once that is cut
    PRIMARY KEY (key, kind)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX place_customer ON place (customer) WHERE customer IS NOT NULL;

  CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL,         -- its key
    sequence INTEGER NOT NULL,
    message TEXT NOT NULL,
    cause INTEGER,                      -- the row an accepted one names as its cause; replies are named by outcomes
    offset INTEGER,                     -- its entry in the home's inbox
    at INTEGER NOT NULL,                -- store clock
    body TEXT NOT NULL                  -- the message as JSON, without sequence and raw
  ) STRICT;
  CREATE UNIQUE INDEX log_message ON log (message);
  CREATE INDEX log_cause ON log (cause) WHERE cause IS NOT NULL;

  -- Where a log row stands: in its conversation (stream: the conversation's id) by sequence, and in the home's inbox (stream 0) by
  -- offset. One tree for both, because a customer's entries are written together and then lie on one page.
  CREATE TABLE entry (
    home INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    n INTEGER NOT NULL,
    log INTEGER NOT NULL,
    PRIMARY KEY (home, stream, n)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE claim (
    id INTEGER PRIMARY KEY,             -- the log row it was made with, or its own
    key TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    message TEXT NOT NULL,
    call INTEGER NOT NULL,              -- 1: of an unstored call (operation 2)
    conversation TEXT,
    sequence INTEGER NOT NULL,
    expires INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX claim_call ON claim (message) WHERE call = 1;

  -- What is open: one row per message, push, timer or begun call that has not ended.
  CREATE TABLE work (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    lane TEXT NOT NULL,
    priority INTEGER NOT NULL,
    due INTEGER NOT NULL,
    state INTEGER NOT NULL,             -- 0 waiting, 1 in flight, 2 handed to a waiter
    attempt INTEGER NOT NULL,
    unended INTEGER NOT NULL,           -- attempts begun and not ended
    fence INTEGER NOT NULL,             -- counter of the lease the attempt in flight began under
    first INTEGER,                      -- store clock: the first attempt began
    began INTEGER,                      -- wall clock: the last attempt began
    wait_until INTEGER,
    attempts TEXT,
    media_type TEXT,                    -- the bytes as they arrived, while somebody may need them
    raw BLOB
  ) STRICT;

  CREATE TABLE push (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    log INTEGER NOT NULL,               -- the reply
    origin INTEGER NOT NULL,            -- the message it answers
    part INTEGER NOT NULL,
    channel TEXT NOT NULL,
    made INTEGER NOT NULL,
    holder TEXT,                        -- who has taken the return right
    flushed INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX push_origin ON push (origin);
  CREATE INDEX push_log ON push (log);

  CREATE TABLE timer (
    id INTEGER PRIMARY KEY,
    ref TEXT NOT NULL UNIQUE,
    log INTEGER NOT NULL,
    target TEXT NOT NULL,
    made INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX timer_log ON timer (log);

  CREATE TABLE begun (id INTEGER PRIMARY KEY, home TEXT NOT NULL, body TEXT NOT NULL) STRICT;

  -- How what was open ended: the first settle.
  CREATE TABLE outcome (
    id INTEGER PRIMARY KEY,
    outcome TEXT NOT NULL,
    not_owner INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- wall clock
    clock INTEGER NOT NULL,             -- store clock
    attempt INTEGER NOT NULL,
    replies TEXT,                       -- ids, as a JSON array
    wait_until INTEGER,
    reply TEXT,
    failure TEXT,
    attempts TEXT
  ) STRICT;

  CREATE TABLE dead (
    ref TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    body TEXT NOT NULL,
    failure TEXT NOT NULL,
    attempts TEXT,
    media_type TEXT,
    raw BLOB
  ) STRICT;

  CREATE TABLE device (
    home INTEGER NOT NULL,
    device TEXT NOT NULL,
    boot TEXT NOT NULL,
    last INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (home, device, boot)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX device_used ON device (used);

  CREATE TABLE refusal (
    home INTEGER NOT NULL,
    device TEXT NOT NULL,
    boot TEXT NOT NULL,
    n INTEGER NOT NULL,
    id TEXT NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (home, device, boot, n)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE value (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX value_expires ON value (expires) WHERE expires IS NOT NULL;

  CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
  `,
  // What a dead letter was and whose, so that it can be replayed when the log row it is about is gone.
  `
  ALTER TABLE dead ADD COLUMN kind TEXT NOT NULL DEFAULT 'message';
  ALTER TABLE dead ADD COLUMN home TEXT NOT NULL DEFAULT '';
  ALTER TABLE dead ADD COLUMN part INTEGER;
  ALTER TABLE dead ADD COLUMN target TEXT;
  UPDATE dead SET kind = CASE
    WHEN EXISTS (SELECT 1 FROM push WHERE key = dead.ref) THEN 'push'
    WHEN EXISTS (SELECT 1 FROM timer WHERE timer.ref = dead.ref) THEN 'timer'
    WHEN EXISTS (SELECT 1 FROM claim WHERE message = dead.ref AND call = 1) THEN 'claim'
    ELSE 'message' END;
  UPDATE dead SET part = (SELECT part FROM push WHERE key = dead.ref), target = (SELECT channel FROM push WHERE key = dead.ref)
    WHERE kind = 'push';
  -- The log knows the home; a call that is in no log was made by a program, whose customers' homes begin with its channel.
  UPDATE dead SET home = coalesce(
    (SELECT p.home_name FROM log l JOIN place p ON p.key = l.conversation AND p.kind = 1
     WHERE l.message = json_extract(dead.body, '$.id')),
    json_extract(body, '$.channel') || '/' || json_extract(body, '$.sender.id'));
  `,
]

/** `Drag` in the file's header (application_id): no other program's database is taken for a store. */
export const APPLICATION_ID = 0x44726167

/**
 * Throws `STORE_UNAVAILABLE` for a file that a newer gateway has written or that is not a store at all. It only reads, so such a
 * file is not touched.
 */
export function checkFile(db: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void {
  const version = pragma(db, 'user_version')
  const application = pragma(db, 'application_id')
  if (version > migrations.length)
    throw new GatewayError(
      'STORE_UNAVAILABLE',
      `the store file has schema ${version} and this gateway knows ${migrations.length}: ` +
        'start the newer gateway that wrote it, or restore a copy made before the upgrade',
    )
  if (application !== APPLICATION_ID && !isEmpty(db))
    throw new GatewayError(
      'STORE_UNAVAILABLE',
      'the store file is a database of another program: use another directory',
    )
}

/** Brings a file to the newest schema, each step in its own transaction. */
export function migrate(db: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void {
  const version = pragma(db, 'user_version')
  for (const [index, step] of migrations.entries()) {
    if (index < version) continue
    db.exec('BEGIN IMMEDIATE')
    try {
      db.exec(step)
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${index + 1}`)
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }
}

/** The value of a numeric pragma. */
export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0] ?? 0)
}

function isEmpty(db: DatabaseSync): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
}
