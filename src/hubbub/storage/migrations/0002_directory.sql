-- What accounts configure at run time: numbers, applications and API keys. `number` is unique on the whole server:
-- a call can be answered by one account only.

CREATE TABLE numbers (
    id      TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    number  TEXT NOT NULL DEFAULT '' UNIQUE,
    created REAL NOT NULL DEFAULT 0,
    updated REAL NOT NULL DEFAULT 0,
    data    TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;

CREATE TABLE applications (
    id      TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL DEFAULT 0,
    updated REAL NOT NULL DEFAULT 0,
    data    TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;

CREATE TABLE keys (
    id      TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL DEFAULT 0,
    updated REAL NOT NULL DEFAULT 0,
    data    TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
