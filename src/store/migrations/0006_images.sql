-- Images that were made, by the key of all that went into them; what each stage did, and where its log lies.
CREATE TABLE image (
    key TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    trust TEXT NOT NULL,
    state TEXT NOT NULL,
    reference TEXT,
    stages TEXT NOT NULL,
    error TEXT,
    log TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    finished_at INTEGER,
    used_at INTEGER NOT NULL
) STRICT;
CREATE INDEX image_by_reference ON image(reference);
