-- The view shows each run with the attempt that its status comes from: a run that is done keeps what its good attempt
-- recorded, whatever a later attempt, or one that a merge brought from another store, came to.

DROP VIEW runs;

CREATE VIEW runs AS
SELECT r.run_id, er.experiment, r.model, r.seed, r.fold, r.status, coalesce(a.device, r.device) AS device,
       r.params, a.started_at, a.finished_at, a.wall_s, a.peak_rss_bytes,
       (SELECT count(*) FROM attempts c WHERE c.run_id = r.run_id) AS attempts,
       a.git_commit, a.git_dirty, r.dataset_sha256, a.version, a.error
FROM experiment_runs er
JOIN run_records r ON r.run_id = er.run_id
LEFT JOIN attempts a ON a.attempt_id = coalesce(
    (SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id AND b.status = r.status),
    (SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id))
ORDER BY er.experiment, er.position;

-- Deleting a run's row deletes the run with all that was recorded of it, in every experiment.
CREATE TRIGGER delete_run INSTEAD OF DELETE ON runs
BEGIN
    DELETE FROM run_records WHERE run_id = OLD.run_id;
END;
