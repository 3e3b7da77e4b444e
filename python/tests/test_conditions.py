"""The two ways to write a condition."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import polars
import pytest

import burstlab

Results = burstlab.Results[polars.DataFrame]


@pytest.mark.parametrize(
    ("where", "runs"),
    [
        (None, 9),
        ("model=lstm", 2),
        ("model = lstm", 2),
        ("model = 'lstm'", 2),
        ("hidden=16", 2),
        ("hidden>=64", 0),
        ("learning_rate<1e-2", 6),
        ("per_channel=true", 2),
        ("model in lstm,dlinear", 6),
        ("model IN ('lstm', 'dlinear')", 6),
        ("seed IS NULL", 3),
        ("wall_s>1e6", 0),
        ("attempts=1", 9),
        ("params->>'$.model.hidden' = 16 AND seed = 1", 1),
        (["model!=lstm", "seed=1"], 2),
        (["model=dlinear", "seed = 1 OR seed IS NULL"], 2),
        (["per_channel=false", "wall_s < 1000", "seed=2"], 1),
    ],
)
def test_conditions_pick_runs(results: Results, where: str | list[str] | None, runs: int) -> None:
    assert results.runs(where).height == runs


def test_times_pick_runs(results: Results) -> None:
    today = datetime.now(timezone.utc).date()
    tomorrow, yesterday = today + timedelta(days=1), today - timedelta(days=1)
    assert results.runs(since="1h").height == 9
    assert results.runs(since=str(tomorrow)).height == 0
    assert results.runs(until=str(tomorrow)).height == 9
    assert results.runs("model=lstm", since="7d", experiment="quickstart").height == 2
    assert results.metrics(until=str(yesterday)).height == 0
