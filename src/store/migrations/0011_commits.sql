-- What runs a commit is asked for by buttons and comments on the forge.
CREATE INDEX pipeline_commit ON pipeline(repository_id, sha);
