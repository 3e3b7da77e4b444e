-- Where runs are wrong, and what a report assumes.

CREATE TABLE breakdowns (
    run_id    TEXT NOT NULL REFERENCES run_records (run_id) ON DELETE CASCADE,
    part      TEXT NOT NULL,            -- test
    dimension TEXT NOT NULL,            -- hour: of the day; burst_state: of the last known step; size: request tokens
    bucket    TEXT NOT NULL,            -- 00 to 23; burst, steady, sparse; the quarters of the training steps
    target    TEXT NOT NULL,
    unit      TEXT NOT NULL,            -- scaled, original
    name      TEXT NOT NULL,            -- mae, bias, mse, coverage_80
    value     REAL NOT NULL,
    forecasts INTEGER NOT NULL,         -- how many forecast steps fell into the bucket
    PRIMARY KEY (run_id, part, dimension, bucket, target, unit, name)
) STRICT, WITHOUT ROWID;

-- JSON of the [report] table of the experiment file.
ALTER TABLE experiments ADD COLUMN report TEXT NOT NULL DEFAULT '{}';
