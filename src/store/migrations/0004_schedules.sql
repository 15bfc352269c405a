-- Repositories that were seen, and the schedules of their default branches.

CREATE TABLE repository(
    host TEXT NOT NULL,
    id INTEGER NOT NULL,
    full_name TEXT NOT NULL,            -- as it was when it was last seen
    default_branch TEXT,
    -- The delivery by which its schedules were last read; nothing when they never were.
    read_by INTEGER,
    PRIMARY KEY (host, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX repository_name ON repository(full_name COLLATE NOCASE);

CREATE TABLE schedule(
    host TEXT NOT NULL,
    repository_id INTEGER NOT NULL,
    section TEXT NOT NULL,
    expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    next_at INTEGER,                    -- nothing when it never comes again
    last_at INTEGER,                    -- the time that was last put into the inbox
    PRIMARY KEY (host, repository_id, section),
    FOREIGN KEY (host, repository_id) REFERENCES repository(host, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedule_next ON schedule(next_at) WHERE next_at IS NOT NULL;
