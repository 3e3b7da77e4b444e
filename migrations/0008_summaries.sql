-- What lists and leaderboards ask again and again, so that it is computed once.

-- The metrics over all targets in scaled units, one row for each run: what lists sort by, and leaderboards choose by. All metrics
-- of a run fill a page or two of `metric_values`, so that one metric of many runs would read the whole table.
CREATE TABLE run_scores (
    run INTEGER PRIMARY KEY REFERENCES run_records (run) ON DELETE CASCADE,
    train_mae REAL, train_medae REAL, train_mse REAL,
    train_rmse REAL, train_smape REAL, train_wape REAL,
    train_mase REAL, train_bias REAL, train_r2 REAL,
    valid_mae REAL, valid_medae REAL, valid_mse REAL,
    valid_rmse REAL, valid_smape REAL, valid_wape REAL,
    valid_mase REAL, valid_bias REAL, valid_r2 REAL,
    test_mae REAL, test_medae REAL, test_mse REAL,
    test_rmse REAL, test_smape REAL, test_wape REAL,
    test_mase REAL, test_bias REAL, test_r2 REAL,
    test_coverage_50 REAL, test_width_50 REAL, test_winkler_50 REAL,
    test_coverage_80 REAL, test_width_80 REAL, test_winkler_80 REAL,
    test_coverage_95 REAL, test_width_95 REAL, test_winkler_95 REAL,
    test_pinball REAL, test_crps REAL
) STRICT;

-- The row that each run should have.
CREATE VIEW computed_scores AS
SELECT r.run,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'train' AND target = 'all' AND unit = 'scaled' AND name = 'mae')) AS train_mae,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'train' AND target = 'all' AND unit = 'scaled' AND name = 'medae')) AS train_medae,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'train' AND target = 'all' AND unit = 'scaled' AND name = 'mse')) AS train_mse,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'train' AND target = 'all' AND unit = 'scaled' AND name = 'rmse')) AS train_rmse,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'train' AND target = 'all' AND unit = 'scaled' AND name = 'smape')) AS train_smape,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'train' AND target = 'all' AND unit = 'scaled' AND name = 'wape')) AS train_wape,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'train' AND target = 'all' AND unit = 'scaled' AND name = 'mase')) AS train_mase,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'train' AND target = 'all' AND unit = 'scaled' AND name = 'bias')) AS train_bias,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'train' AND target = 'all' AND unit = 'scaled' AND name = 'r2')) AS train_r2,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'valid' AND target = 'all' AND unit = 'scaled' AND name = 'mae')) AS valid_mae,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'valid' AND target = 'all' AND unit = 'scaled' AND name = 'medae')) AS valid_medae,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'valid' AND target = 'all' AND unit = 'scaled' AND name = 'mse')) AS valid_mse,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'valid' AND target = 'all' AND unit = 'scaled' AND name = 'rmse')) AS valid_rmse,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'valid' AND target = 'all' AND unit = 'scaled' AND name = 'smape')) AS valid_smape,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'valid' AND target = 'all' AND unit = 'scaled' AND name = 'wape')) AS valid_wape,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'valid' AND target = 'all' AND unit = 'scaled' AND name = 'mase')) AS valid_mase,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'valid' AND target = 'all' AND unit = 'scaled' AND name = 'bias')) AS valid_bias,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'valid' AND target = 'all' AND unit = 'scaled' AND name = 'r2')) AS valid_r2,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'mae')) AS test_mae,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'medae')) AS test_medae,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'mse')) AS test_mse,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'rmse')) AS test_rmse,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'smape')) AS test_smape,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'wape')) AS test_wape,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'mase')) AS test_mase,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'bias')) AS test_bias,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'r2')) AS test_r2,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'coverage_50')) AS test_coverage_50,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'width_50')) AS test_width_50,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'winkler_50')) AS test_winkler_50,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'coverage_80')) AS test_coverage_80,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'width_80')) AS test_width_80,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'winkler_80')) AS test_winkler_80,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'coverage_95')) AS test_coverage_95,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'width_95')) AS test_width_95,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'winkler_95')) AS test_winkler_95,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'pinball')) AS test_pinball,
    (SELECT value FROM metric_values v WHERE v.run = r.run AND v.metric = (SELECT metric FROM metric_keys
     WHERE part = 'test' AND target = 'all' AND unit = 'scaled' AND name = 'crps')) AS test_crps
FROM run_records r;

INSERT INTO run_scores SELECT s.* FROM run_records r CROSS JOIN computed_scores s ON s.run = r.run
WHERE r.status = 'done' AND EXISTS (SELECT 1 FROM metric_values v WHERE v.run = s.run);

-- Triggers, so that it also holds for a supervisor of an older version that was at work when the store was upgraded. Only runs
-- that are done have scores: a list that is sorted by one need not look up what became of each run.
CREATE TRIGGER scores_of_a_run_that_is_done AFTER UPDATE OF status ON run_records WHEN NEW.status = 'done'
BEGIN
    INSERT OR REPLACE INTO run_scores SELECT * FROM computed_scores WHERE run = NEW.run;
END;
CREATE TRIGGER scores_of_a_run_that_is_done_no_more AFTER UPDATE OF status ON run_records WHEN NEW.status <> 'done'
BEGIN
    DELETE FROM run_scores WHERE run = NEW.run;
END;

-- How each revision stands, as JSON: counts, best models, course of the objective; and its leaders: the models of each setting
-- with the runs of their chosen trials, from which comparisons start. It is written when an execution ends by itself;
-- whatever changes a standing removes it, and it is then computed until it is written again.
CREATE TABLE revision_standings (
    experiment TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    standing   TEXT NOT NULL,
    leaders    TEXT NOT NULL,           -- the last column: lists of experiments do not read it
    PRIMARY KEY (experiment, revision),
    FOREIGN KEY (experiment, revision) REFERENCES revisions (experiment, revision) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TRIGGER standing_of_a_run_that_changes AFTER UPDATE OF status ON run_records
BEGIN
    DELETE FROM revision_standings WHERE (experiment, revision) IN
        (SELECT experiment, revision FROM revision_runs h WHERE h.run_id = NEW.run_id);
END;
CREATE TRIGGER standing_of_a_planned_run AFTER INSERT ON revision_runs
BEGIN
    DELETE FROM revision_standings WHERE experiment = NEW.experiment AND revision = NEW.revision;
END;
CREATE TRIGGER standing_of_a_run_that_moves AFTER UPDATE ON revision_runs
WHEN OLD.position IS NOT NEW.position OR OLD.revision <> NEW.revision
BEGIN
    DELETE FROM revision_standings WHERE experiment = OLD.experiment AND revision IN (OLD.revision, NEW.revision);
END;
CREATE TRIGGER standing_of_a_run_that_goes AFTER DELETE ON revision_runs
BEGIN
    DELETE FROM revision_standings WHERE experiment = OLD.experiment AND revision = OLD.revision;
END;
CREATE TRIGGER standing_of_a_revision_that_changes AFTER UPDATE OF axes, objective, unproposed ON revisions
BEGIN
    DELETE FROM revision_standings WHERE experiment = NEW.experiment AND revision = NEW.revision;
END;
CREATE TRIGGER standing_of_a_run_that_is_tried AFTER INSERT ON attempts
BEGIN
    DELETE FROM revision_standings WHERE (experiment, revision) IN
        (SELECT experiment, revision FROM revision_runs h WHERE h.run_id = NEW.run_id);
END;
