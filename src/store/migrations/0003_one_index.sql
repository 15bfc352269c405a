-- One index serves both questions, which is due and when the next one is; each index costs every delivery another page.
DROP INDEX inbox_due;
DROP INDEX inbox_new;
CREATE INDEX inbox_new ON inbox(seq, next_at) WHERE state = 'new';
