-- How the disks of a source server are going to be copied, as its agent says.
CREATE TABLE copy_plans (
    source_id TEXT PRIMARY KEY REFERENCES sources (id) ON DELETE CASCADE,
    plan      TEXT NOT NULL                 -- JSON
);
