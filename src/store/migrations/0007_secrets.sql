-- Secrets, sealed: what opens them is not in this file.

-- What was done about them, and by whom. Its numbers are their versions: none is given out twice.
CREATE TABLE secret_change(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('set', 'deleted', 'rotated')),
    scope TEXT NOT NULL,                -- nothing where all were rotated
    subject TEXT NOT NULL,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE secret(
    scope TEXT NOT NULL CHECK (scope IN ('org', 'repository', 'user')),
    subject TEXT NOT NULL,              -- whose it is within its scope; nothing for the organisation's
    name TEXT NOT NULL,
    version INTEGER NOT NULL,           -- the change that gave it its value
    key_version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    masked INTEGER NOT NULL,
    set_by TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (scope, subject, name)
) STRICT, WITHOUT ROWID;
