-- What the forge knows of the App, and what was said there.

-- Of one commit and context, a forge takes a limited number of statuses.
ALTER TABLE remote ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;

-- Where the App is installed that has the repository; nothing when no webhook has said so.
ALTER TABLE repository ADD COLUMN installation INTEGER;

-- When the forge's own list of deliveries was last gone through to its end.
CREATE TABLE sweep(
    host TEXT PRIMARY KEY,
    begun_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
