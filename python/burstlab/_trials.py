"""Trials: the runs that differ in nothing but seed and fold, and their mean scores."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ._frames import Kind
from ._store import Table


def trials_table(
    axes: Sequence[str], metric: str, runs: Iterable[Mapping[str, Any]], scores: Iterable[Mapping[str, Any]]
) -> tuple[Table, dict[str, Kind]]:
    """One row for each trial of some runs, best on validation first, and the types of the columns.

    `scores` are the values of `metric` of runs, by `run_id` and `part`.
    """
    values = {(score["run_id"], score["part"]): score["value"] for score in scores}
    trials: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for run in runs:
        trials.setdefault((run["model"], run["params"]), []).append(run)
    valid, test = f"valid_{metric}", f"test_{metric}"
    columns = ["model", *axes, "runs", "done", valid, test, f"{test}_spread", "run_ids"]
    rows = []
    for (model, params), own in trials.items():
        done = [run for run in own if run["status"] == "done"]
        valid_mean, _ = _mean_and_spread(done, values, "valid")
        test_mean, spread = _mean_and_spread(done, values, "test")
        parameters = [_parameter(json.loads(params), axis) for axis in axes]
        run_ids = ",".join(run["run_id"] for run in own)
        rows.append((model, *parameters, len(own), len(done), valid_mean, test_mean, spread, run_ids))
    at = columns.index(valid)
    rows.sort(key=lambda row: (row[at] is None, 0.0 if row[at] is None else _rank(metric, row[at])))
    kinds: dict[str, Kind] = {"model": "text", "run_ids": "text", "runs": "integer", "done": "integer"}
    kinds |= {name: "real" for name in (valid, test, f"{test}_spread")}
    return Table(columns, rows), kinds


def _rank(metric: str, value: float) -> float:
    higher_is_better = metric == "r2" or metric.startswith("coverage_")
    return -value if higher_is_better else value


def _mean_and_spread(
    runs: Iterable[Mapping[str, Any]], values: Mapping[tuple[str, str], float], part: str
) -> tuple[float | None, float | None]:
    """Mean and standard deviation over seeds, as `burstlab compare` computes them: the folds of a seed are averaged first."""
    seeds: dict[int | None, list[float]] = {}
    for run in runs:
        value = values.get((run["run_id"], part))
        if value is not None:
            seeds.setdefault(run["seed"], []).append(value)
    means = [statistics.fmean(own) for own in seeds.values()]
    if not means:
        return None, None
    return statistics.fmean(means), statistics.stdev(means) if len(means) > 1 else None


def _parameter(params: Any, path: str) -> Any:
    """The value at a dotted path; None where a model has no such parameter. Lists and tables are given as JSON."""
    for part in path.split("."):
        if not isinstance(params, dict) or part not in params:
            return None
        params = params[part]
    return json.dumps(params) if isinstance(params, (dict, list)) else params
