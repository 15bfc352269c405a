-- Which pipelines are in one another's way, and whether they are at work.

ALTER TABLE pipeline ADD COLUMN turn TEXT;  -- repository, section, and branch, pull request or tag
-- Projections of the event log, like `state`.
ALTER TABLE pipeline ADD COLUMN hold TEXT;
ALTER TABLE pipeline ADD COLUMN asleep INTEGER NOT NULL DEFAULT 0;

CREATE INDEX pipeline_turn ON pipeline(turn) WHERE turn IS NOT NULL AND finished_at IS NULL;
CREATE INDEX pipeline_waiting ON pipeline(turn) WHERE hold = 'turn';
