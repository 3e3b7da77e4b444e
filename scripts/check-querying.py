#!/usr/bin/env python3
"""Opens a store and an exported table with pandas and polars: check-querying.py BURSTLAB RESULTS_FOLDER EXPERIMENT"""
import os
import sqlite3
import subprocess
import sys
import tempfile

import pandas
import polars

burstlab, results, experiment = sys.argv[1:]
store = sqlite3.connect(f"file:{results}/burstlab.db?mode=ro", uri=True)

runs = pandas.read_sql("select * from runs where experiment = ?", store, params=[experiment])
assert len(runs) > 0 and runs["status"].isin(["done", "failed", "planned"]).all(), runs
metrics = polars.read_database("select * from metrics", store, infer_schema_length=None)
assert metrics.columns == ["run_id", "part", "target", "unit", "name", "value"], metrics.columns

with tempfile.TemporaryDirectory() as folder:
    for name, read in [("runs.csv", pandas.read_csv), ("runs.parquet", polars.read_parquet)]:
        path = os.path.join(folder, name)
        subprocess.run([burstlab, "export", experiment, "--output", path], check=True,
                       env={**os.environ, "BURSTLAB_RESULTS": results}, stderr=subprocess.DEVNULL)
        wide = read(path)
        assert len(wide) == len(runs), (name, len(wide), len(runs))
        # The same number by two ways: from the table of metrics, and from the exported column.
        of_runs = metrics.filter(polars.col("run_id").is_in(runs["run_id"].tolist()))
        chosen = of_runs.filter((polars.col("part") == "test") & (polars.col("target") == "all")
                                & (polars.col("name") == "mse"))
        assert abs(chosen["value"].mean() - wide["test.mse.all.scaled"].mean()) < 1e-9, name
print(f"pandas {pandas.__version__} and polars {polars.__version__} read {len(runs)} runs, {len(metrics)} metrics")
