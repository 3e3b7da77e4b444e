PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO _sqlx_migrations VALUES(1,'foundation','2026-11-27 22:23:53',1,X'b300690f32ffc05c76eaa94d0a6d3fbc90055bbf4ae6c9bfeb3cf5f39d496ee8b937baf57f8a14f2b8bca2c31f4a44e2',35859198);
INSERT INTO _sqlx_migrations VALUES(2,'search','2026-11-27 22:23:53',1,X'898c839ba54c60b65160429c1e2c764d51ec8260ffbd4cc1d4f081cff631a726ed7f3c0bb29e984274c76e0ed7d0ce90',11935634);
INSERT INTO _sqlx_migrations VALUES(3,'standing attempt','2026-11-27 22:23:53',1,X'e0507171e9a536aed13e55e71da1eba6d2ac33bc81c807ea92a5d7223540c360713075bdd1a6988389fa13ea93759b5d',36995240);
INSERT INTO _sqlx_migrations VALUES(4,'claims','2026-11-27 22:23:54',1,X'e6ca6815c002378fee2ec4c28b681e8ae5ca686b1e9bcf0793ee0b5ed88fa878eff4066094346d6b1e43360005f09f86',31868349);
INSERT INTO _sqlx_migrations VALUES(5,'intervals','2026-11-27 22:23:54',1,X'8aaeab239d39dbcd3a502665fa683cfd3cab0dc4075b329297a8bba0e664e7e8565f40524bfae110101894a01f4709e7',54898326);
INSERT INTO _sqlx_migrations VALUES(6,'unproposed trials','2026-11-27 22:23:54',1,X'44132e9ca82dc22544945229c75e9ba9d465e3f84fe21c248bf73ddd389e2cee7867e57b3b1bd17b13bea071192de2e7',36988998);
INSERT INTO _sqlx_migrations VALUES(7,'revisions','2026-11-27 22:23:54',1,X'514e1ff30da092f5749bcf296dc45e432779463df234c4c609411090c3992444708bf406b0bb5ec6923bfe5c0470a575',263986828);
CREATE TABLE events (
    event_id   INTEGER PRIMARY KEY,
    at         TEXT NOT NULL,
    experiment TEXT,
    run_id     TEXT,
    kind       TEXT NOT NULL,           -- planned, started, done, failed, crashed, timed_out, retried, ...
    detail     TEXT NOT NULL
) STRICT;
INSERT INTO events VALUES(1,'2026-11-27T22:23:54.640Z','sweep',NULL,'planned','2 runs of sweep.toml');
INSERT INTO events VALUES(2,'2026-11-27T22:23:54.676Z','sweep','b16f6fc29c3335b2','started','attempt 1 on slot 0 (cpu)');
INSERT INTO events VALUES(3,'2026-11-27T22:23:54.732Z','sweep','61dbdcce286832d0','started','attempt 2 on slot 1 (cpu)');
INSERT INTO events VALUES(4,'2026-11-27T22:23:55.080Z','sweep','b16f6fc29c3335b2','done','in 0.20 s');
INSERT INTO events VALUES(5,'2026-11-27T22:23:55.147Z','sweep','61dbdcce286832d0','done','in 0.23 s');
CREATE TABLE IF NOT EXISTS "run_records" (
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
INSERT INTO run_records VALUES(1,'b16f6fc29c3335b2','moving_average',NULL,0,'done','cpu','{"dataset":{"cleaning":{"drop_zero_tokens":false},"max_rows":200,"source":"azure-conv-excerpt.csv"},"evaluation":{"drop_last":false,"mase_season":1},"model":{"kind":"moving_average","window":2},"split":{"embargo":0,"folds":1,"test":0.15,"train":0.7,"valid":0.15},"task":{"features":[],"horizon":1,"kind":"next_request","lookback":2},"uncertainty":{"conformal":"adaptive"}}','67e66e281943344644b374e8e23d76964adb70bc13eb7c2fc021edd65cafc0b6','clean: train targets 2..139, valid targets 139..154, calibration targets 154..169, test targets 169..199; embargo 0; statistics fitted on steps 0..139; intervals calibrated on steps 154..169',NULL);
INSERT INTO run_records VALUES(2,'61dbdcce286832d0','moving_average',NULL,0,'done','cpu','{"dataset":{"cleaning":{"drop_zero_tokens":false},"max_rows":200,"source":"azure-conv-excerpt.csv"},"evaluation":{"drop_last":false,"mase_season":1},"model":{"kind":"moving_average","window":3},"split":{"embargo":0,"folds":1,"test":0.15,"train":0.7,"valid":0.15},"task":{"features":[],"horizon":1,"kind":"next_request","lookback":3},"uncertainty":{"conformal":"adaptive"}}','67e66e281943344644b374e8e23d76964adb70bc13eb7c2fc021edd65cafc0b6','clean: train targets 3..139, valid targets 139..154, calibration targets 154..169, test targets 169..199; embargo 0; statistics fitted on steps 0..139; intervals calibrated on steps 154..169',NULL);
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
INSERT INTO revisions VALUES('sweep',1,NULL,'sweep.toml',replace('name = "sweep"\n[dataset]\nsource = "azure-conv-excerpt.csv"\n[task.next_request]\nlookback = 5\n[[models]]\n[models.moving_average]\nwindow = { grid = [2, 3] }\n','\n',char(10)),replace('name = "sweep"\n[dataset]\nsource = "azure-conv-excerpt.csv"\n[task.next_request]\nlookback = 5\n[[models]]\n[models.moving_average]\nwindow = { grid = [2, 3] }\n','\n',char(10)),'["dataset.max_rows=200"]','["model.window"]','{"metric":"mse","part":"valid","target":"all"}','{"resources":{"gpu_memory_gib":80.0,"gpus_per_replica":4,"kv_bytes_per_token":327680.0,"seconds_in_cache":10.0,"tokens_per_second":6000.0,"usable_memory":0.9,"weights_gib":130.0}}',0,'burstlab run sweep.toml --set dataset.max_rows=200',NULL,NULL,'machine','cpu','2026-11-27T22:23:54.632Z','2026-11-27T22:23:54.632Z','2026-11-27T22:23:55.296Z','finished',NULL,0);
CREATE TABLE revision_runs (
    experiment TEXT NOT NULL,
    run_id     TEXT NOT NULL REFERENCES "run_records" (run_id) ON DELETE CASCADE,
    revision   INTEGER NOT NULL,
    position   INTEGER,                 -- order in the plan; NULL: the revision planned it once, and does no more
    PRIMARY KEY (experiment, run_id, revision),
    FOREIGN KEY (experiment, revision) REFERENCES revisions (experiment, revision) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO revision_runs VALUES('sweep','61dbdcce286832d0',1,1);
INSERT INTO revision_runs VALUES('sweep','b16f6fc29c3335b2',1,0);
CREATE TABLE IF NOT EXISTS "attempts" (
    attempt_id     INTEGER PRIMARY KEY,
    run_id         TEXT NOT NULL REFERENCES "run_records" (run_id) ON DELETE CASCADE,
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
INSERT INTO attempts VALUES(1,'b16f6fc29c3335b2','done','2026-11-27T22:23:54.676Z','2026-11-27T22:23:55.073Z',0.20255635999999999086,37175296,'cpu',NULL,NULL,'0.1.0',NULL,'lock machine-11552-6c7d73f90fb3eb6e');
INSERT INTO attempts VALUES(2,'61dbdcce286832d0','done','2026-11-27T22:23:54.732Z','2026-11-27T22:23:55.146Z',0.22572446400000001354,37076992,'cpu',NULL,NULL,'0.1.0',NULL,'lock machine-11552-6c7d73f90fb3eb6e');
CREATE TABLE metric_keys (
    metric INTEGER PRIMARY KEY,
    part   TEXT NOT NULL,               -- train, valid, test
    target TEXT NOT NULL,               -- a target's name, or all: mean over the targets
    unit   TEXT NOT NULL,               -- scaled, original
    name   TEXT NOT NULL,               -- mae, mse, ...
    UNIQUE (part, target, unit, name)
) STRICT;
INSERT INTO metric_keys VALUES(55,'train','all','scaled','mae');
INSERT INTO metric_keys VALUES(57,'train','all','scaled','mse');
INSERT INTO metric_keys VALUES(118,'valid','all','scaled','mae');
INSERT INTO metric_keys VALUES(120,'valid','all','scaled','mse');
INSERT INTO metric_keys VALUES(181,'test','all','scaled','mae');
INSERT INTO metric_keys VALUES(183,'test','all','scaled','mse');
CREATE TABLE metric_values (
    run    INTEGER NOT NULL REFERENCES "run_records" (run) ON DELETE CASCADE,
    metric INTEGER NOT NULL REFERENCES metric_keys (metric),
    value  REAL NOT NULL,
    PRIMARY KEY (run, metric)
) STRICT, WITHOUT ROWID;
INSERT INTO metric_values VALUES(1,55,0.86539557172475733981);
INSERT INTO metric_values VALUES(1,57,1.2735776516853842821);
INSERT INTO metric_values VALUES(1,118,0.38848598344425350203);
INSERT INTO metric_values VALUES(1,120,0.32229697422026898356);
INSERT INTO metric_values VALUES(1,181,0.7365056772792030193);
INSERT INTO metric_values VALUES(1,183,0.94254870963082770796);
INSERT INTO metric_values VALUES(2,55,0.80145451818668655974);
INSERT INTO metric_values VALUES(2,57,1.0932686761559684551);
INSERT INTO metric_values VALUES(2,118,0.42696170692910789812);
INSERT INTO metric_values VALUES(2,120,0.31038499216310272421);
INSERT INTO metric_values VALUES(2,181,0.69867743962348571873);
INSERT INTO metric_values VALUES(2,183,0.7987191291033107765);
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
    run       INTEGER NOT NULL REFERENCES "run_records" (run) ON DELETE CASCADE,
    breakdown INTEGER NOT NULL REFERENCES breakdown_keys (breakdown),
    value     REAL NOT NULL,
    forecasts INTEGER NOT NULL,         -- how many forecast steps fell into the bucket
    PRIMARY KEY (run, breakdown)
) STRICT, WITHOUT ROWID;
CREATE TABLE epoch_values (
    run           INTEGER NOT NULL REFERENCES "run_records" (run) ON DELETE CASCADE,
    epoch         INTEGER NOT NULL,
    train_loss    REAL NOT NULL,
    valid_loss    REAL NOT NULL,
    learning_rate REAL NOT NULL,
    wall_s        REAL NOT NULL,
    PRIMARY KEY (run, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS "prunings" (
    run_id    TEXT NOT NULL REFERENCES "run_records" (run_id) ON DELETE CASCADE,
    search    TEXT NOT NULL,            -- hash of the rule, the run, and the runs that it was judged by
    epoch     INTEGER NOT NULL,         -- when it was judged
    loss      REAL NOT NULL,            -- lowest validation loss up to there
    threshold REAL,                     -- the largest loss that went on
    rivals    INTEGER NOT NULL,         -- earlier runs that came as far
    PRIMARY KEY (run_id, search)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS "claims" (
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
CREATE INDEX events_by_run ON events (run_id);
CREATE INDEX revision_runs_by_run ON revision_runs (run_id);
CREATE INDEX attempts_by_run ON attempts (run_id);
CREATE VIEW experiments AS
SELECT experiment AS name, description, path, text, overrides, axes, objective, command, updated_at, report, unproposed, revision
FROM revisions v
WHERE revision = (SELECT l.revision FROM revisions l WHERE l.experiment = v.experiment
                  ORDER BY l.revision = 0, l.updated_at DESC, l.revision DESC LIMIT 1);
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
CREATE TRIGGER delete_run INSTEAD OF DELETE ON runs
BEGIN
    DELETE FROM run_records WHERE run_id = OLD.run_id;
END;
COMMIT;
