-- Back-up and retention.

-- Where fences begin since the database was restored from a back-up; 0 when it never was. An attempt below it that is
-- still live belongs to a worker of the time before.
ALTER TABLE server ADD COLUMN first_fence INTEGER NOT NULL DEFAULT 0;

-- When retention removed what a pipeline had left on the disk. Earlier than its end: it has run again since.
ALTER TABLE pipeline ADD COLUMN logs_removed_at INTEGER;
ALTER TABLE pipeline ADD COLUMN data_removed_at INTEGER;
