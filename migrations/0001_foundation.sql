-- The store of burstlab: made to be read with any SQLite client. Start with `select * from runs`.

CREATE TABLE experiments (
    name        TEXT PRIMARY KEY,
    description TEXT,
    path        TEXT NOT NULL,
    text        TEXT NOT NULL,          -- the experiment file
    overrides   TEXT NOT NULL,          -- JSON list of --set PATH=VALUE
    axes        TEXT NOT NULL,          -- JSON list of axis names
    objective   TEXT NOT NULL,          -- JSON {"metric", "target", "part"}
    command     TEXT NOT NULL,          -- the command line of the last run
    updated_at  TEXT NOT NULL
) STRICT;

CREATE TABLE run_records (
    run_id         TEXT PRIMARY KEY,    -- hash of everything that determines the numbers
    model          TEXT NOT NULL,
    seed           INTEGER,             -- NULL: the model has no randomness
    fold           INTEGER NOT NULL,
    status         TEXT NOT NULL CHECK (status IN
                   ('planned', 'running', 'done', 'failed', 'timed_out', 'pruned', 'interrupted')),
    device         TEXT NOT NULL,       -- device class: cpu, cuda, wgpu
    params         TEXT NOT NULL,       -- the resolved run as JSON
    dataset_sha256 TEXT NOT NULL,
    leak_verdict   TEXT NOT NULL        -- outcome of the split's proof
) STRICT;

CREATE TABLE experiment_runs (
    experiment TEXT NOT NULL REFERENCES experiments (name) ON DELETE CASCADE,
    run_id     TEXT NOT NULL REFERENCES run_records (run_id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,        -- order in the plan
    PRIMARY KEY (experiment, run_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX experiment_runs_by_run ON experiment_runs (run_id);

CREATE TABLE attempts (
    attempt_id     INTEGER PRIMARY KEY,
    run_id         TEXT NOT NULL REFERENCES run_records (run_id) ON DELETE CASCADE,
    status         TEXT NOT NULL,
    started_at     TEXT NOT NULL,
    finished_at    TEXT,
    wall_s         REAL,
    peak_rss_bytes INTEGER,
    device         TEXT NOT NULL,       -- the very device: cpu, cuda:0
    git_commit     TEXT,
    git_dirty      INTEGER,
    version        TEXT NOT NULL,       -- of burstlab
    error          TEXT,
    owner          TEXT NOT NULL        -- the supervisor: boot id, pid, start time
) STRICT;

CREATE INDEX attempts_by_run ON attempts (run_id);

CREATE TABLE metrics (
    run_id TEXT NOT NULL REFERENCES run_records (run_id) ON DELETE CASCADE,
    part   TEXT NOT NULL,               -- train, valid, test
    target TEXT NOT NULL,               -- a target's name, or all: mean over the targets
    unit   TEXT NOT NULL,               -- scaled, original
    name   TEXT NOT NULL,               -- mae, mse, ...
    value  REAL NOT NULL,
    PRIMARY KEY (run_id, part, target, unit, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE epochs (
    run_id        TEXT NOT NULL REFERENCES run_records (run_id) ON DELETE CASCADE,
    epoch         INTEGER NOT NULL,
    train_loss    REAL NOT NULL,
    valid_loss    REAL NOT NULL,
    learning_rate REAL NOT NULL,
    wall_s        REAL NOT NULL,
    PRIMARY KEY (run_id, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    event_id   INTEGER PRIMARY KEY,
    at         TEXT NOT NULL,
    experiment TEXT,
    run_id     TEXT,
    kind       TEXT NOT NULL,           -- planned, started, done, failed, crashed, timed_out, retried, ...
    detail     TEXT NOT NULL
) STRICT;

CREATE INDEX events_by_run ON events (run_id);

-- One row for each run of each experiment, with its last attempt.
CREATE VIEW runs AS
SELECT r.run_id, er.experiment, r.model, r.seed, r.fold, r.status, coalesce(a.device, r.device) AS device,
       r.params, a.started_at, a.finished_at, a.wall_s, a.peak_rss_bytes,
       (SELECT count(*) FROM attempts c WHERE c.run_id = r.run_id) AS attempts,
       a.git_commit, a.git_dirty, r.dataset_sha256, a.version, a.error
FROM experiment_runs er
JOIN run_records r ON r.run_id = er.run_id
LEFT JOIN attempts a ON a.attempt_id = (SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id)
ORDER BY er.experiment, er.position;

-- Deleting a run's row deletes the run with all that was recorded of it, in every experiment.
CREATE TRIGGER delete_run INSTEAD OF DELETE ON runs
BEGIN
    DELETE FROM run_records WHERE run_id = OLD.run_id;
END;
