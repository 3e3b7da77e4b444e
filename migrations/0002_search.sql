-- Runs that a search gave up early. They keep their epochs, and stay given up for as long as the search is the same.

CREATE TABLE prunings (
    run_id    TEXT NOT NULL REFERENCES run_records (run_id) ON DELETE CASCADE,
    search    TEXT NOT NULL,            -- hash of the rule, the run, and the runs that it was judged by
    epoch     INTEGER NOT NULL,         -- the rung
    loss      REAL NOT NULL,            -- lowest validation loss up to there
    threshold REAL,                     -- the largest loss that went on
    rivals    INTEGER NOT NULL,         -- earlier runs that reached the rung
    PRIMARY KEY (run_id, search)
) STRICT, WITHOUT ROWID;
