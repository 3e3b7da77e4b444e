-- Revisions: an experiment keeps every text of its file that was run, with the runs that each planned. Nothing that was done
-- leaves the store's views. What an experiment had so far is its revision 1; runs that no experiment held any more come back
-- as revision 0 of the experiment that started them.
--
-- Metrics, breakdowns and epochs name their runs, and what they measure, by integers; views of the old names show them as
-- before. Tables that others refer to are made anew under other names, since dropping them would delete what refers to them.

DROP VIEW runs;

CREATE TABLE new_run_records (
    run            INTEGER PRIMARY KEY,
    run_id         TEXT NOT NULL UNIQUE, -- hash of everything that determines the numbers
    model          TEXT NOT NULL,
    seed           INTEGER,             -- NULL: the model has no randomness
    fold           INTEGER NOT NULL,
    status         TEXT NOT NULL CHECK (status IN
                   ('planned', 'running', 'done', 'failed', 'timed_out', 'pruned', 'interrupted')),
    device         TEXT NOT NULL,       -- device class: cpu, cuda, wgpu
    params         TEXT NOT NULL,       -- the resolved run as JSON
    dataset_sha256 TEXT NOT NULL,
    leak_verdict   TEXT NOT NULL,       -- outcome of the split's proof
    note           TEXT                 -- what a person wrote about it
) STRICT;

INSERT INTO new_run_records (run_id, model, seed, fold, status, device, params, dataset_sha256, leak_verdict)
SELECT run_id, model, seed, fold, status, device, params, dataset_sha256, leak_verdict FROM run_records ORDER BY rowid;

CREATE TABLE revisions (
    experiment  TEXT NOT NULL,
    revision    INTEGER NOT NULL,       -- 1, 2, ...; 0: runs of earlier files, which were not kept
    description TEXT,
    path        TEXT NOT NULL,
    text        TEXT NOT NULL,          -- the whole experiment as one file, without overrides
    given       TEXT NOT NULL,          -- the file as it was given; differs from `text` if it has a base
    overrides   TEXT NOT NULL,          -- JSON list of --set PATH=VALUE
    axes        TEXT NOT NULL,          -- JSON list of axis names
    objective   TEXT NOT NULL,          -- JSON {"metric", "target", "part"}
    report      TEXT NOT NULL,          -- JSON of the [report] table
    unproposed  INTEGER NOT NULL DEFAULT 0, -- trials that a search has yet to propose
    command     TEXT NOT NULL,          -- the command line of its last execution
    git_commit  TEXT,                   -- of the folder that it was started in
    git_dirty   INTEGER,
    host        TEXT,
    device      TEXT,                   -- device class
    started_at  TEXT NOT NULL,          -- when it first ran
    updated_at  TEXT NOT NULL,          -- when it last ran
    finished_at TEXT,                   -- when its last execution ended; NULL: it goes on, or was killed
    outcome     TEXT,                   -- how that ended
    note        TEXT,                   -- what a person wrote about it
    archived    INTEGER NOT NULL DEFAULT 0, -- 1: lists leave it out
    PRIMARY KEY (experiment, revision)
) STRICT, WITHOUT ROWID;

INSERT INTO revisions (experiment, revision, description, path, text, given, overrides, axes, objective, report, unproposed,
    command, started_at, updated_at, finished_at)
SELECT name, 1, description, path, text, text, overrides, axes, objective, report, unproposed, command,
    coalesce((SELECT min(v.at) FROM events v WHERE v.experiment = name AND v.kind = 'planned'), updated_at), updated_at,
    (SELECT max(a.finished_at) FROM experiment_runs er JOIN attempts a USING (run_id) WHERE er.experiment = name)
FROM experiments;

-- Runs that no experiment holds, each with those that started it.
CREATE TEMP TABLE unheld AS
SELECT DISTINCT coalesce(v.experiment, 'unknown') AS experiment, r.run_id
FROM run_records r LEFT JOIN events v ON v.run_id = r.run_id AND v.experiment IS NOT NULL AND v.kind = 'started'
WHERE r.status <> 'planned' AND r.run_id NOT IN (SELECT run_id FROM experiment_runs);

INSERT INTO revisions (experiment, revision, description, path, text, given, overrides, axes, objective, report, command,
    started_at, updated_at, finished_at)
SELECT u.experiment, 0, 'runs of earlier files, which were not kept', '', '', '', '[]', coalesce(max(e.axes), '[]'),
    coalesce(max(e.objective), '{"metric":"mse","target":"all","part":"valid"}'), '{}', '',
    coalesce(min(a.started_at), ''), coalesce(max(a.finished_at), max(a.started_at), ''), max(a.finished_at)
FROM temp.unheld u LEFT JOIN attempts a USING (run_id) LEFT JOIN experiments e ON e.name = u.experiment
GROUP BY u.experiment;

CREATE TABLE revision_runs (
    experiment TEXT NOT NULL,
    run_id     TEXT NOT NULL REFERENCES new_run_records (run_id) ON DELETE CASCADE,
    revision   INTEGER NOT NULL,
    position   INTEGER,                 -- order in the plan; NULL: the revision planned it once, and does no more
    PRIMARY KEY (experiment, run_id, revision),
    FOREIGN KEY (experiment, revision) REFERENCES revisions (experiment, revision) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

INSERT INTO revision_runs (experiment, run_id, revision, position)
SELECT experiment, run_id, 1, position FROM experiment_runs;
INSERT INTO revision_runs (experiment, run_id, revision, position)
SELECT u.experiment, u.run_id, 0, row_number() OVER (PARTITION BY u.experiment ORDER BY r.rowid) - 1
FROM temp.unheld u JOIN run_records r USING (run_id);

CREATE INDEX revision_runs_by_run ON revision_runs (run_id);

DROP TABLE temp.unheld;
DROP TABLE experiment_runs;

CREATE TABLE new_attempts (
    attempt_id     INTEGER PRIMARY KEY,
    run_id         TEXT NOT NULL REFERENCES new_run_records (run_id) ON DELETE CASCADE,
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

INSERT INTO new_attempts SELECT attempt_id, run_id, status, started_at, finished_at, wall_s, peak_rss_bytes, device, git_commit,
    git_dirty, version, error, owner FROM attempts ORDER BY attempt_id;
DROP TABLE attempts;
ALTER TABLE new_attempts RENAME TO attempts;
CREATE INDEX attempts_by_run ON attempts (run_id);

CREATE TABLE metric_keys (
    metric INTEGER PRIMARY KEY,
    part   TEXT NOT NULL,               -- train, valid, test
    target TEXT NOT NULL,               -- a target's name, or all: mean over the targets
    unit   TEXT NOT NULL,               -- scaled, original
    name   TEXT NOT NULL,               -- mae, mse, ...
    UNIQUE (part, target, unit, name)
) STRICT;

CREATE TABLE metric_values (
    run    INTEGER NOT NULL REFERENCES new_run_records (run) ON DELETE CASCADE,
    metric INTEGER NOT NULL REFERENCES metric_keys (metric),
    value  REAL NOT NULL,
    PRIMARY KEY (run, metric)
) STRICT, WITHOUT ROWID;

INSERT INTO metric_keys (part, target, unit, name) SELECT DISTINCT part, target, unit, name FROM metrics;
INSERT INTO metric_values SELECT r.run, k.metric, m.value FROM metrics m JOIN new_run_records r USING (run_id)
JOIN metric_keys k USING (part, target, unit, name) ORDER BY 1, 2;
DROP TABLE metrics;

CREATE TABLE breakdown_keys (
    breakdown INTEGER PRIMARY KEY,
    part      TEXT NOT NULL,            -- test
    dimension TEXT NOT NULL,            -- hour: of the day; burst_state: of the last known step; size: request tokens
    bucket    TEXT NOT NULL,            -- 00 to 23; burst, steady, sparse; the quarters of the training steps
    target    TEXT NOT NULL,
    unit      TEXT NOT NULL,            -- scaled, original
    name      TEXT NOT NULL,            -- mae, bias, mse, coverage_80
    UNIQUE (part, dimension, bucket, target, unit, name)
) STRICT;

CREATE TABLE breakdown_values (
    run       INTEGER NOT NULL REFERENCES new_run_records (run) ON DELETE CASCADE,
    breakdown INTEGER NOT NULL REFERENCES breakdown_keys (breakdown),
    value     REAL NOT NULL,
    forecasts INTEGER NOT NULL,         -- how many forecast steps fell into the bucket
    PRIMARY KEY (run, breakdown)
) STRICT, WITHOUT ROWID;

INSERT INTO breakdown_keys (part, dimension, bucket, target, unit, name)
SELECT DISTINCT part, dimension, bucket, target, unit, name FROM breakdowns;
INSERT INTO breakdown_values SELECT r.run, k.breakdown, b.value, b.forecasts FROM breakdowns b
JOIN new_run_records r USING (run_id) JOIN breakdown_keys k USING (part, dimension, bucket, target, unit, name) ORDER BY 1, 2;
DROP TABLE breakdowns;

CREATE TABLE epoch_values (
    run           INTEGER NOT NULL REFERENCES new_run_records (run) ON DELETE CASCADE,
    epoch         INTEGER NOT NULL,
    train_loss    REAL NOT NULL,
    valid_loss    REAL NOT NULL,
    learning_rate REAL NOT NULL,
    wall_s        REAL NOT NULL,
    PRIMARY KEY (run, epoch)
) STRICT, WITHOUT ROWID;

INSERT INTO epoch_values SELECT r.run, e.epoch, e.train_loss, e.valid_loss, e.learning_rate, e.wall_s FROM epochs e
JOIN new_run_records r USING (run_id) ORDER BY 1, 2;
DROP TABLE epochs;

CREATE TABLE new_prunings (
    run_id    TEXT NOT NULL REFERENCES new_run_records (run_id) ON DELETE CASCADE,
    search    TEXT NOT NULL,            -- hash of the rule, the run, and the runs that it was judged by
    epoch     INTEGER NOT NULL,         -- when it was judged
    loss      REAL NOT NULL,            -- lowest validation loss up to there
    threshold REAL,                     -- the largest loss that went on
    rivals    INTEGER NOT NULL,         -- earlier runs that came as far
    PRIMARY KEY (run_id, search)
) STRICT, WITHOUT ROWID;

INSERT INTO new_prunings SELECT run_id, search, epoch, loss, threshold, rivals FROM prunings;
DROP TABLE prunings;
ALTER TABLE new_prunings RENAME TO prunings;

CREATE TABLE new_claims (
    experiment TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    position   INTEGER NOT NULL,        -- order in the file
    name       TEXT NOT NULL,
    conditions TEXT NOT NULL,           -- JSON: dotted parameter paths and the values that pick the setting
    part       TEXT NOT NULL,
    target     TEXT NOT NULL,
    unit       TEXT NOT NULL,
    metric     TEXT NOT NULL,
    aggregate  TEXT NOT NULL,           -- over seeds and folds: mean, median, min, max
    reported   REAL,
    tolerance  TEXT,                    -- '0.01' in the metric's unit, or '4%' of the reported value
    at_most    REAL,
    at_least   REAL,
    source     TEXT,
    expect     TEXT,                    -- 'refuted': a known miss
    reason     TEXT,
    verdict    TEXT NOT NULL CHECK (verdict IN ('reproduced', 'refuted', 'not_run')),
    reproduced REAL,                    -- the aggregate of what the runs gave
    spread     REAL,                    -- standard deviation over the runs
    runs       INTEGER NOT NULL,        -- how many were done
    planned    INTEGER NOT NULL,        -- of how many
    judged_at  TEXT NOT NULL,
    PRIMARY KEY (experiment, revision, position),
    FOREIGN KEY (experiment, revision) REFERENCES revisions (experiment, revision) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

INSERT INTO new_claims SELECT experiment, 1, position, name, conditions, part, target, unit, metric, aggregate, reported,
    tolerance, at_most, at_least, source, expect, reason, verdict, reproduced, spread, runs, planned, judged_at FROM claims;
DROP TABLE claims;
ALTER TABLE new_claims RENAME TO claims;

-- Nothing refers to the old tables any more.
DROP TABLE experiments;
DROP TABLE run_records;
ALTER TABLE new_run_records RENAME TO run_records;

CREATE TABLE run_tags (
    run_id TEXT NOT NULL REFERENCES run_records (run_id) ON DELETE CASCADE,
    tag    TEXT NOT NULL,
    PRIMARY KEY (run_id, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE revision_tags (
    experiment TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    tag        TEXT NOT NULL,
    PRIMARY KEY (experiment, revision, tag),
    FOREIGN KEY (experiment, revision) REFERENCES revisions (experiment, revision) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- One row for each experiment: its revision that ran last.
CREATE VIEW experiments AS
SELECT experiment AS name, description, path, text, overrides, axes, objective, command, updated_at, report, unproposed, revision
FROM revisions v
WHERE revision = (SELECT l.revision FROM revisions l WHERE l.experiment = v.experiment
                  ORDER BY l.revision = 0, l.updated_at DESC, l.revision DESC LIMIT 1);

-- What the revision that ran last plans.
CREATE VIEW experiment_runs AS
SELECT h.experiment, h.run_id, h.position
FROM experiments e JOIN revision_runs h ON h.experiment = e.name AND h.revision = e.revision
WHERE h.position IS NOT NULL;

CREATE VIEW metrics AS
SELECT r.run_id, k.part, k.target, k.unit, k.name, v.value
FROM metric_values v JOIN run_records r ON r.run = v.run JOIN metric_keys k ON k.metric = v.metric;

CREATE VIEW breakdowns AS
SELECT r.run_id, k.part, k.dimension, k.bucket, k.target, k.unit, k.name, v.value, v.forecasts
FROM breakdown_values v JOIN run_records r ON r.run = v.run JOIN breakdown_keys k ON k.breakdown = v.breakdown;

CREATE VIEW epochs AS
SELECT r.run_id, e.epoch, e.train_loss, e.valid_loss, e.learning_rate, e.wall_s
FROM epoch_values e JOIN run_records r ON r.run = e.run;

-- One row for each run of each experiment, whichever of its revisions plan it, with the attempt that its status comes from: a
-- run that is done keeps what its good attempt recorded, whatever a later attempt came to.
CREATE VIEW runs AS
SELECT h.run_id, h.experiment, r.model, r.seed, r.fold, r.status, coalesce(a.device, r.device) AS device,
       r.params, a.started_at, a.finished_at, a.wall_s, a.peak_rss_bytes,
       (SELECT count(*) FROM attempts c WHERE c.run_id = r.run_id) AS attempts,
       a.git_commit, a.git_dirty, r.dataset_sha256, a.version, a.error,
       h.revisions, (SELECT group_concat(tag, ',') FROM run_tags t WHERE t.run_id = r.run_id) AS tags, r.note
FROM (SELECT experiment, run_id, group_concat(revision, ',') AS revisions, max(revision) AS last, position
      FROM revision_runs GROUP BY experiment, run_id) h
JOIN run_records r ON r.run_id = h.run_id
LEFT JOIN attempts a ON a.attempt_id = coalesce(
    (SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id AND b.status = r.status),
    (SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id))
ORDER BY h.experiment, h.last DESC, h.position;

-- Deleting a run's row deletes the run with all that was recorded of it, in every experiment.
CREATE TRIGGER delete_run INSTEAD OF DELETE ON runs
BEGIN
    DELETE FROM run_records WHERE run_id = OLD.run_id;
END;
