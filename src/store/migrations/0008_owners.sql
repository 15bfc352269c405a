-- Whose user data the pipelines of a repository have, and what proves that a node is one.

-- Nothing: that of the user whose profile the server uses.
ALTER TABLE repository ADD COLUMN owner TEXT;
-- The owner when the pipeline was launched.
ALTER TABLE pipeline ADD COLUMN owner TEXT;
-- Makes the tokens of attempts; made once, never shown.
ALTER TABLE server ADD COLUMN node_key BLOB;
