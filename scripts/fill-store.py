"""Fills a store up with copies of its runs, to measure how burstlab works with many.

fill-store.py STORE RUNS [RUNS_PER_EXPERIMENT [FIRST]]

Each copy has a learning rate of its own and metrics that are a little worse, so that the real runs, which have files, stay
those that are shown. With RUNS_PER_EXPERIMENT, the copies are divided among experiments that are copies of the first one.
FIRST is added to the number that each copy is made from, so that stores which are filled with different ones share no copy.
"""

import json
import random
import sqlite3
import sys

RUNS = int(sys.argv[2])
PER_EXPERIMENT = int(sys.argv[3]) if len(sys.argv) > 3 else RUNS
FIRST = int(sys.argv[4]) if len(sys.argv) > 4 else 0
store = sqlite3.connect(sys.argv[1])
store.execute("pragma foreign_keys = on")
store.execute("pragma synchronous = off")


def columns(table, without):
    return [row[1] for row in store.execute(f"pragma table_info({table})") if row[1] not in without]


def insert(table, row):
    names = ", ".join(row)
    return store.execute(f"insert into {table} ({names}) values ({', '.join('?' * len(row))})", list(row.values())).lastrowid


run_columns = columns("run_records", {"run"})
# Copies are numbered, and are not copied again: a trial would then have a seed for each of them.
runs = [dict(zip(["run", *run_columns], row)) for row in store.execute(
    f"select run, {', '.join(run_columns)} from run_records "
    "where seed is not null and run_id not like '0000%' order by run_id")]
attempt_columns = columns("attempts", {"attempt_id"})
attempts = {run["run_id"]: dict(zip(attempt_columns, store.execute(
    f"select {', '.join(attempt_columns)} from attempts where run_id = ?", [run["run_id"]]).fetchone())) for run in runs}
revision_columns = columns("revisions", {})
first = dict(zip(revision_columns, store.execute(f"select {', '.join(revision_columns)} from revisions").fetchone()))
present = store.execute("select count(*) from run_records").fetchone()[0]
generator = random.Random(1)

for index in range(RUNS - present):
    run = dict(runs[index % len(runs)])
    source, number = run["run_id"], run.pop("run")
    worse = 1.01 + generator.random()
    params = json.loads(run["params"])
    # Two seeds of each copied trial stay together.
    rate = random.Random((FIRST + present + index) // len(runs)).uniform(1e-4, 1e-2)
    params["training"]["learning_rate"] = rate
    run.update(run_id=f"{FIRST + present + index:016x}", params=json.dumps(params, separators=(",", ":")))
    if index % 100 == 99:
        run["status"] = "failed"
    copy = insert("run_records", run)
    part = (present + index) // PER_EXPERIMENT
    experiment = first["experiment"] if part == 0 else f"{first['experiment']}-{part}"
    if part > 0 and (present + index) % PER_EXPERIMENT == 0:
        insert("revisions", first | {"experiment": experiment})
    insert("revision_runs", {"experiment": experiment, "revision": first["revision"], "run_id": run["run_id"],
                             "position": FIRST + present + index})
    attempt = attempts[source] | {"run_id": run["run_id"], "status": run["status"]}
    if run["status"] == "failed":
        attempt["error"] = "the loss is not finite in epoch 1"
        insert("attempts", attempt)
        continue
    insert("attempts", attempt)
    store.execute("insert into metric_values select ?, metric, value * ? from metric_values where run = ?",
                  [copy, worse, number])
    store.execute("insert into run_scores select * from computed_scores where run = ?", [copy])
    store.execute("insert into breakdown_values select ?, breakdown, value * ?, forecasts from breakdown_values where run = ?",
                  [copy, worse, number])
    store.execute("insert into epoch_values select ?, epoch, train_loss, valid_loss, learning_rate, wall_s from epoch_values "
                  "where run = ?", [copy, number])
store.commit()
print(store.execute("select count(*) from runs").fetchone()[0], "runs,",
      store.execute("select count(*) from metric_values").fetchone()[0], "metrics")
