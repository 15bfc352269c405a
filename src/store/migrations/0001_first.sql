-- Times are microseconds since 1970 in UTC. Append-only file: a released migration is never edited.

CREATE TABLE server(
    id INTEGER PRIMARY KEY CHECK (id = 1),
    uuid BLOB NOT NULL,                 -- names this server in container labels
    epoch INTEGER NOT NULL,             -- grows by one at every start
    started_at INTEGER NOT NULL
) STRICT;

-- Every webhook that was answered 202. Nothing is started that is not here first.
CREATE TABLE inbox(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    guid TEXT NOT NULL,
    event TEXT NOT NULL,
    action TEXT,
    repository TEXT,
    received_at INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,                 -- zstd
    state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'done', 'ignored', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    verdict TEXT,
    diagnostics TEXT NOT NULL DEFAULT '',
    deliveries INTEGER NOT NULL DEFAULT 1,
    UNIQUE (source, guid)
) STRICT;
-- One to know when the next is due, one to take them in the order in which they came without sorting a long queue.
CREATE INDEX inbox_due ON inbox(next_at) WHERE state = 'new';
CREATE INDEX inbox_new ON inbox(seq) WHERE state = 'new';

-- One event on the forge, however often and through however many hooks it was delivered.
CREATE TABLE trigger_seen(
    dedupe_key TEXT PRIMARY KEY,
    inbox_seq INTEGER NOT NULL REFERENCES inbox(seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE pipeline(
    key INTEGER PRIMARY KEY,
    uuid BLOB NOT NULL UNIQUE,
    id TEXT NOT NULL UNIQUE,            -- abc-def
    inbox_seq INTEGER REFERENCES inbox(seq),
    title TEXT NOT NULL,
    section TEXT NOT NULL,
    repository_id INTEGER NOT NULL,
    repository TEXT NOT NULL,
    described TEXT NOT NULL,            -- "push to main"
    sha TEXT NOT NULL,
    sender TEXT NOT NULL,
    trust TEXT NOT NULL,
    -- Projections of the event log, kept in the same transaction.
    state TEXT NOT NULL,
    ending TEXT,
    cause TEXT,
    counts TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    released INTEGER NOT NULL DEFAULT 0 -- whether its containers and network are gone
) STRICT;
CREATE INDEX pipeline_live ON pipeline(key) WHERE finished_at IS NULL OR released = 0;
CREATE INDEX pipeline_inbox ON pipeline(inbox_seq);

CREATE TABLE event(
    pipeline INTEGER NOT NULL REFERENCES pipeline(key),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    actor TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (pipeline, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt(
    fence INTEGER PRIMARY KEY,
    pipeline INTEGER NOT NULL REFERENCES pipeline(key),
    node INTEGER NOT NULL,
    worker TEXT NOT NULL,
    live INTEGER NOT NULL
) STRICT;
-- The database itself forbids two live attempts of one node.
CREATE UNIQUE INDEX one_live_attempt ON attempt(pipeline, node) WHERE live = 1;

CREATE TABLE outbox(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,                 -- what it speaks to; messages of a lane go out in order
    kind TEXT NOT NULL,
    is_final INTEGER NOT NULL,          -- final messages are never superseded
    payload TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'sending', 'sent', 'superseded', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    error TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_open ON outbox(lane, id) WHERE state IN ('ready', 'sending');
CREATE INDEX outbox_due ON outbox(next_at) WHERE state = 'ready';

-- What the outside calls the thing a lane speaks to.
CREATE TABLE remote(
    lane TEXT PRIMARY KEY,
    remote_id TEXT,
    channel TEXT,
    last_sent_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL UNIQUE,          -- SHA-256; the value itself is nowhere
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency(
    key TEXT PRIMARY KEY,               -- who asked, what for, and the caller's key
    at INTEGER NOT NULL,
    seq INTEGER NOT NULL                -- last event of the first answer
) STRICT, WITHOUT ROWID;
