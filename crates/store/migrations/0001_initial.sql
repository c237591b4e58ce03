-- Everything the control plane remembers. One dialect for SQLite and PostgreSQL: ids and JSON are
-- TEXT, times are BIGINT milliseconds since 1970, flags are BIGINT 0 or 1, rows that change carry a
-- generation and are replaced by compare-and-set on it.

-- What a control plane is called: domain and project, made once.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- People.
CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,          -- argon2, PHC form
    create_date   BIGINT NOT NULL
);

-- Signing keys of people. The secret is stored as it is: verifying an HMAC needs it.
CREATE TABLE access_keys (
    access_key  TEXT PRIMARY KEY,
    secret_key  TEXT NOT NULL,
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    create_date BIGINT NOT NULL
);

-- Login tokens, known by the SHA-256 of their text.
CREATE TABLE tokens (
    token_hash  TEXT PRIMARY KEY,
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    scope       TEXT NOT NULL,            -- JSON: what the token was asked for
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);

-- Agents and receivers that joined, known by the SHA-256 of their certificate.
CREATE TABLE identities (
    id          TEXT PRIMARY KEY,
    role        TEXT NOT NULL,            -- source, target
    name        TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    create_date BIGINT NOT NULL
);

-- Rights to join, known by the SHA-256 of their secret; used_by says that one is gone.
CREATE TABLE join_tokens (
    secret_hash TEXT PRIMARY KEY,
    role        TEXT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_by     TEXT
);

-- Source servers, each with its mailbox of one command.
CREATE TABLE sources (
    id                 TEXT PRIMARY KEY,
    owner              TEXT UNIQUE,       -- identity that registered it; null: account credentials
    name               TEXT NOT NULL,
    ip                 TEXT NOT NULL,
    ipv6               TEXT NOT NULL,
    state              TEXT NOT NULL,
    migration_cycle    TEXT NOT NULL,
    migproject         TEXT NOT NULL,
    enterprise_project TEXT NOT NULL,
    inventory          TEXT NOT NULL,     -- JSON: the registration
    checks             TEXT NOT NULL,     -- JSON: results of the feasibility checks
    add_date           BIGINT NOT NULL,
    state_action_time  BIGINT NOT NULL,
    stage_action_time  BIGINT NOT NULL,
    last_visit_time    BIGINT NOT NULL,   -- heart-beat; outside the generation
    command_name       TEXT,
    command_param      TEXT,              -- JSON
    command_generation BIGINT NOT NULL,   -- counts commands put into the mailbox
    generation         BIGINT NOT NULL
);
CREATE INDEX sources_by_date ON sources (add_date, id);

-- Target servers that announced themselves. The id is the id of the identity.
CREATE TABLE targets (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    registration    TEXT NOT NULL,        -- JSON
    create_date     BIGINT NOT NULL,
    last_visit_time BIGINT NOT NULL,
    generation      BIGINT NOT NULL       -- changes whenever its list of tasks does
);

-- Migration tasks; a source has one at most.
CREATE TABLE tasks (
    id            TEXT PRIMARY KEY,
    source_id     TEXT NOT NULL UNIQUE REFERENCES sources (id),
    target_id     TEXT REFERENCES targets (id),
    name          TEXT NOT NULL,
    state         TEXT NOT NULL,
    phase         TEXT NOT NULL,          -- how far the work has come; a start takes it up here
    continuous    BIGINT NOT NULL,        -- 1: keeps synchronising until the cut-over
    launched      BIGINT NOT NULL,        -- 1: ended well once, the target keeps its volumes
    body          TEXT NOT NULL,          -- JSON: as created and updated by clients
    plan          TEXT NOT NULL,          -- JSON: which disk goes where
    subtasks      TEXT NOT NULL,          -- JSON
    progress      TEXT NOT NULL,          -- JSON: figures of the last report
    error_json    TEXT,                   -- JSON: why it failed
    target_report TEXT NOT NULL,          -- JSON: where the target is with it
    create_date   BIGINT NOT NULL,
    start_date    BIGINT,
    finish_date   BIGINT,
    generation    BIGINT NOT NULL
);
CREATE INDEX tasks_by_date ON tasks (create_date, id);
CREATE INDEX tasks_by_target ON tasks (target_id);

-- Certificates of a task's data path. Private keys are encrypted, but the passphrase stands beside
-- them, because both are handed out: the protection is the mode of the database file.
CREATE TABLE task_certificates (
    task_id      TEXT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    certificates TEXT NOT NULL            -- JSON
);

-- Advanced options of a task.
CREATE TABLE task_options (
    task_id       TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    config_key    TEXT NOT NULL,
    config_value  TEXT NOT NULL,
    config_status TEXT NOT NULL,
    PRIMARY KEY (task_id, config_key)
);

-- Speed windows of a task, always replaced as a whole.
CREATE TABLE speed_limits (
    task_id TEXT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    windows TEXT NOT NULL                 -- JSON
);

-- Results of consistency checks, one row a check.
CREATE TABLE consistency_results (
    task_id       TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    finished_time BIGINT NOT NULL,
    result        TEXT NOT NULL,          -- JSON
    PRIMARY KEY (task_id, finished_time)
);

-- Figures of a migration.
CREATE TABLE reports (
    task_id TEXT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    report  TEXT NOT NULL                 -- JSON
);

-- Proof documents: a head that names the upload in force, and the parts of uploads.
CREATE TABLE proofs (
    task_id    TEXT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    upload     TEXT NOT NULL,
    parts      BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL
);
CREATE TABLE proof_parts (
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    upload  TEXT NOT NULL,
    part    BIGINT NOT NULL,
    bytes   BYTEA NOT NULL,
    PRIMARY KEY (upload, part)
);
