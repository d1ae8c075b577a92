-- Schema version 1. Later versions are numbered files in migrations/ (0002_….sql) and never change this one.
-- Times are seconds since the epoch (REAL). `data` is JSON text: what a dialect needs beyond the indexed columns.
-- Every column but the key has a default: a Put names only the columns that it changes.

CREATE TABLE calls (
    id        TEXT PRIMARY KEY NOT NULL,
    account   TEXT NOT NULL DEFAULT '',
    parent    TEXT,
    status    TEXT NOT NULL DEFAULT '',
    direction TEXT NOT NULL DEFAULT '',
    caller    TEXT NOT NULL DEFAULT '',
    callee    TEXT NOT NULL DEFAULT '',
    created   REAL NOT NULL DEFAULT 0,
    updated   REAL NOT NULL DEFAULT 0,
    started   REAL,
    ended     REAL,
    data      TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE INDEX calls_account ON calls (account, created);
CREATE INDEX calls_parent ON calls (parent) WHERE parent IS NOT NULL;
CREATE INDEX calls_status ON calls (status);

-- owner, epoch and lease: who may write the row. Every write checks them (see statements.py).
CREATE TABLE rooms (
    id      TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    name    TEXT NOT NULL DEFAULT '',
    status  TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL DEFAULT 0,
    updated REAL NOT NULL DEFAULT 0,
    owner   TEXT NOT NULL DEFAULT '',
    epoch   INTEGER NOT NULL DEFAULT 0,
    lease   REAL NOT NULL DEFAULT 0,
    data    TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE INDEX rooms_account ON rooms (account, created);
CREATE INDEX rooms_name ON rooms (account, name, status);
CREATE INDEX rooms_status ON rooms (status);

CREATE TABLE members (
    id      TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    room    TEXT NOT NULL DEFAULT '',
    call    TEXT NOT NULL DEFAULT '',
    label   TEXT NOT NULL DEFAULT '',
    active  INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL DEFAULT 0,
    updated REAL NOT NULL DEFAULT 0,
    data    TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE INDEX members_room ON members (room, created);
CREATE INDEX members_call ON members (call);

CREATE TABLE recordings (
    id      TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    room    TEXT,
    call    TEXT,
    status  TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL DEFAULT 0,
    updated REAL NOT NULL DEFAULT 0,
    data    TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE INDEX recordings_account ON recordings (account, created);
CREATE INDEX recordings_room ON recordings (room, created) WHERE room IS NOT NULL;
CREATE INDEX recordings_call ON recordings (call, created) WHERE call IS NOT NULL;

CREATE TABLE notifications (
    id      TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    call    TEXT,
    room    TEXT,
    level   TEXT NOT NULL DEFAULT '',
    code    TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL DEFAULT 0,
    data    TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE INDEX notifications_account ON notifications (account, created);
CREATE INDEX notifications_call ON notifications (call) WHERE call IS NOT NULL;

CREATE TABLE requests (
    id      TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    call    TEXT,
    created REAL NOT NULL DEFAULT 0,
    data    TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE INDEX requests_call ON requests (call, created) WHERE call IS NOT NULL;

CREATE TABLE events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL DEFAULT '',
    room    TEXT,
    call    TEXT,
    type    TEXT NOT NULL DEFAULT '',
    at      REAL NOT NULL DEFAULT 0,
    data    TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX events_room ON events (room, seq) WHERE room IS NOT NULL;
CREATE INDEX events_call ON events (call, seq) WHERE call IS NOT NULL;

-- Notices to applications. `due`: not before; `error`: the last failure; `settled`: when it became done or dead.
CREATE TABLE outbox (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    lane     TEXT NOT NULL,
    account  TEXT NOT NULL DEFAULT '',
    state    TEXT NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'dead', 'done')),
    due      REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    created  REAL NOT NULL DEFAULT 0,
    error    TEXT,
    settled  REAL,
    data     TEXT NOT NULL
);
CREATE INDEX outbox_due ON outbox (seq) WHERE state = 'due';
CREATE INDEX outbox_lane ON outbox (lane, seq) WHERE state = 'due';
CREATE INDEX outbox_dead ON outbox (settled) WHERE state = 'dead';
CREATE INDEX outbox_done ON outbox (settled) WHERE state = 'done';
