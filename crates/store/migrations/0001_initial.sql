-- Everything the control plane remembers. One dialect for SQLite and PostgreSQL: ids and JSON are
-- TEXT, times are BIGINT milliseconds since 1970, flags are BIGINT 0 or 1, rows that change carry a
-- generation and are replaced by compare-and-set on it. Columns called *_folded hold a name in lower
-- case, because the two databases do not fold the same letters.

-- What a control plane made once and keeps.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Tenants, and the projects that their tokens are for.
CREATE TABLE domains (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    create_date BIGINT NOT NULL
);
CREATE TABLE projects (
    id        TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES domains (id),
    name      TEXT NOT NULL,
    UNIQUE (domain_id, name)
);

-- People.
CREATE TABLE users (
    id                  TEXT PRIMARY KEY,
    domain_id           TEXT NOT NULL REFERENCES domains (id),
    name                TEXT NOT NULL,
    role                TEXT NOT NULL,    -- administrator, operator, readonly
    enabled             BIGINT NOT NULL,
    password_hash       TEXT NOT NULL,    -- argon2, PHC form
    failures            BIGINT NOT NULL,  -- wrong passwords in a row
    locked_until        BIGINT NOT NULL,
    password_changed_at BIGINT NOT NULL,
    create_date         BIGINT NOT NULL,
    UNIQUE (domain_id, name)
);

-- Signing keys of people. The secret is stored as it is: verifying an HMAC needs it.
CREATE TABLE access_keys (
    access_key   TEXT PRIMARY KEY,
    secret_key   TEXT NOT NULL,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    description  TEXT NOT NULL,
    enabled      BIGINT NOT NULL,
    failures     BIGINT NOT NULL,         -- wrong signatures in a row
    locked_until BIGINT NOT NULL,
    create_date  BIGINT NOT NULL
);
CREATE INDEX access_keys_by_user ON access_keys (user_id, create_date);

-- Login tokens, known by the SHA-256 of their text.
CREATE TABLE tokens (
    token_hash  TEXT PRIMARY KEY,
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    scope       TEXT NOT NULL,            -- JSON: what the token was asked for
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX tokens_by_user ON tokens (user_id);
CREATE INDEX tokens_by_end ON tokens (expires_at);

-- Agents and receivers that joined, known by the SHA-256 of their certificate.
CREATE TABLE identities (
    id          TEXT PRIMARY KEY,
    domain_id   TEXT NOT NULL,
    role        TEXT NOT NULL,            -- source, target
    name        TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    create_date BIGINT NOT NULL
);

-- Rights to join, known by the SHA-256 of their secret; used_by says that one is gone.
CREATE TABLE join_tokens (
    secret_hash TEXT PRIMARY KEY,
    domain_id   TEXT NOT NULL,
    role        TEXT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_by     TEXT
);
CREATE INDEX join_tokens_by_end ON join_tokens (expires_at);

-- Source servers, each with its mailbox of one command.
CREATE TABLE sources (
    id                 TEXT PRIMARY KEY,
    domain_id          TEXT NOT NULL,
    owner              TEXT UNIQUE,       -- identity that registered it; null: account credentials
    name               TEXT NOT NULL,
    name_folded        TEXT NOT NULL,
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
    command_name       TEXT,
    command_param      TEXT,              -- JSON
    command_generation BIGINT NOT NULL,   -- counts commands put into the mailbox
    generation         BIGINT NOT NULL
);
-- The name stands in the index of the plain list, so that a search for a part of a name reads the
-- index alone.
CREATE INDEX sources_by_date ON sources (domain_id, add_date, id, name_folded);
CREATE INDEX sources_by_state ON sources (domain_id, state, add_date, id);
CREATE INDEX sources_by_cycle ON sources (domain_id, migration_cycle, add_date, id);
CREATE INDEX sources_by_migproject ON sources (domain_id, migproject, add_date, id);
CREATE INDEX sources_by_enterprise_project ON sources (domain_id, enterprise_project, add_date, id);
CREATE INDEX sources_by_ip ON sources (domain_id, ip, add_date, id);
CREATE INDEX sources_by_ipv6 ON sources (domain_id, ipv6, add_date, id);
-- Mailboxes are empty nearly always.
CREATE INDEX sources_by_command ON sources (command_name, id) WHERE command_name IS NOT NULL;

-- When agents were last heard of. Apart from the sources, because heart-beats are written all the
-- time, many at once, and void nobody's decision. Every source has one row.
CREATE TABLE source_visits (
    source_id       TEXT PRIMARY KEY REFERENCES sources (id) ON DELETE CASCADE,
    domain_id       TEXT NOT NULL,
    last_visit_time BIGINT NOT NULL
);
CREATE INDEX source_visits_by_time ON source_visits (domain_id, last_visit_time);

-- Target servers that announced themselves. The id is the id of the identity.
CREATE TABLE targets (
    id           TEXT PRIMARY KEY,
    domain_id    TEXT NOT NULL,
    name         TEXT NOT NULL,
    registration TEXT NOT NULL,           -- JSON
    create_date  BIGINT NOT NULL,
    generation   BIGINT NOT NULL          -- changes whenever its list of tasks does
);
CREATE INDEX targets_by_date ON targets (domain_id, create_date, id);

-- As source_visits, for receivers.
CREATE TABLE target_visits (
    target_id       TEXT PRIMARY KEY REFERENCES targets (id) ON DELETE CASCADE,
    last_visit_time BIGINT NOT NULL
);

-- Migration tasks; a source has one at most.
CREATE TABLE tasks (
    id            TEXT PRIMARY KEY,
    domain_id     TEXT NOT NULL,
    source_id     TEXT NOT NULL UNIQUE REFERENCES sources (id),
    target_id     TEXT REFERENCES targets (id),
    template_id   TEXT,                   -- what the target server is made from
    clone_template_id TEXT,               -- what clones of it are made from
    name          TEXT NOT NULL,
    name_folded   TEXT NOT NULL,
    state         TEXT NOT NULL,
    phase         TEXT NOT NULL,          -- how far the work has come; a start takes it up here
    continuous    BIGINT NOT NULL,        -- 1: keeps synchronising until the cut-over
    launched      BIGINT NOT NULL,        -- 1: ended well once, the target keeps its volumes
    checked       BIGINT NOT NULL,        -- 1: has a consistency result; outside the generation
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
CREATE INDEX tasks_by_date ON tasks (domain_id, create_date, id, name_folded);
CREATE INDEX tasks_by_state ON tasks (domain_id, state, create_date, id);
CREATE INDEX tasks_by_target ON tasks (target_id, create_date, id);
CREATE INDEX tasks_by_template ON tasks (template_id, create_date, id);
CREATE INDEX tasks_by_clone_template ON tasks (clone_template_id);
CREATE INDEX tasks_by_checked ON tasks (domain_id, checked, source_id);

-- How many sources and tasks of a domain are in each state. Changed in the transaction that changes
-- them, so that nobody has to count a hundred thousand rows to show a total.
CREATE TABLE counters (
    domain_id TEXT NOT NULL,
    kind      TEXT NOT NULL,              -- source, task
    state     TEXT NOT NULL,
    number    BIGINT NOT NULL,
    PRIMARY KEY (domain_id, kind, state)
);

-- Certificates of a task's data path. Private keys are encrypted, but the passphrase stands beside
-- them, because both are handed out: the protection is that of the database.
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

-- What came of starting what a target has received.
CREATE TABLE boots (
    task_id  TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    boot_id  TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    summary  TEXT NOT NULL,               -- JSON: the report without what is long
    report   TEXT NOT NULL,               -- JSON
    PRIMARY KEY (task_id, boot_id)
);

-- Documents of tasks: heads that name the upload in force, and the parts of uploads. An upload that
-- no head names is under way, or came to nothing.
CREATE TABLE proofs (
    task_id    TEXT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    upload     TEXT NOT NULL UNIQUE,
    parts      BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL
);
CREATE TABLE log_archives (
    task_id     TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    role        TEXT NOT NULL,            -- source, target
    share       TEXT NOT NULL UNIQUE,     -- what a link to it carries
    upload      TEXT NOT NULL UNIQUE,
    parts       BIGINT NOT NULL,
    size_bytes  BIGINT NOT NULL,
    create_date BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (task_id, role)
);
CREATE INDEX log_archives_by_end ON log_archives (expires_at);
CREATE TABLE document_parts (
    upload    TEXT NOT NULL,
    part      BIGINT NOT NULL,
    task_id   TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    stored_at BIGINT NOT NULL,
    bytes     BYTEA NOT NULL,
    PRIMARY KEY (upload, part)
);
CREATE INDEX document_parts_by_task ON document_parts (task_id);
CREATE INDEX document_parts_by_age ON document_parts (upload, stored_at);

-- Templates of target servers.
CREATE TABLE templates (
    id                TEXT PRIMARY KEY,
    domain_id         TEXT NOT NULL,
    name              TEXT NOT NULL,
    name_folded       TEXT NOT NULL,
    region            TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    is_template       BIGINT NOT NULL,
    body              TEXT NOT NULL,      -- JSON
    target_password   TEXT,
    create_date       BIGINT NOT NULL,
    generation        BIGINT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX templates_by_date ON templates (domain_id, create_date, id);

-- Migration projects; a domain that has any has exactly one that is the default.
CREATE TABLE migprojects (
    id          TEXT PRIMARY KEY,
    domain_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    is_default  BIGINT NOT NULL,
    body        TEXT NOT NULL,            -- JSON
    create_date BIGINT NOT NULL,
    generation  BIGINT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX migprojects_by_date ON migprojects (domain_id, create_date, id);
CREATE UNIQUE INDEX migprojects_default ON migprojects (domain_id) WHERE is_default = 1;

-- Who agreed to the privacy statement for a domain.
CREATE TABLE privacy_agreements (
    domain_id TEXT PRIMARY KEY,
    user_id   TEXT NOT NULL,
    agreed_at BIGINT NOT NULL
);

-- The audit log. It outlives users and objects, hence no references.
CREATE TABLE audit (
    id         TEXT PRIMARY KEY,
    time       BIGINT NOT NULL,
    domain_id  TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    user_name  TEXT NOT NULL,
    role       TEXT NOT NULL,
    trace      TEXT NOT NULL,
    method     TEXT NOT NULL,
    path       TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    status     BIGINT NOT NULL,
    error_code TEXT NOT NULL,
    request_id TEXT NOT NULL,
    address    TEXT NOT NULL
);
CREATE INDEX audit_by_id ON audit (domain_id, id);
CREATE INDEX audit_by_time ON audit (domain_id, time, id);
CREATE INDEX audit_by_user ON audit (domain_id, user_id, time, id);
CREATE INDEX audit_by_trace ON audit (domain_id, trace, time, id);
CREATE INDEX audit_by_object ON audit (domain_id, object_id, time, id);
CREATE INDEX audit_by_age ON audit (time);

-- Work that one replica does at a time.
CREATE TABLE leases (
    name       TEXT PRIMARY KEY,
    holder     TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
