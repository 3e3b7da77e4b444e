-- Reported results that experiments are held to, with the verdict of the last time the experiment ran.
CREATE TABLE claims (
    experiment TEXT NOT NULL REFERENCES experiments (name) ON DELETE CASCADE,
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
    PRIMARY KEY (experiment, position)
) STRICT, WITHOUT ROWID;
