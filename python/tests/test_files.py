"""What docs/results-files.md says of the files of a run holds for real files."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars
import pytest

import burstlab
from burstlab._saved_run import read_safetensors

Results = burstlab.Results[polars.DataFrame]

FIXTURES = Path(__file__).resolve().parents[2] / "dataset" / "fixtures"
QUANTILES = ["q025", "q100", "q250", "q500", "q750", "q900", "q975"]
TASKS = {
    "next_request": '[task.next_request]\nlookback = 10\nhorizon = 2\nfeatures = ["burst"]',
    "window_load": '[task.window_load]\nwindow = "5s"\nlookback = 6\nhorizon = 3',
    "series": "[task.series]\nlookback = 24\nhorizon = 3\n[uncertainty]\nconformal = \"none\"",
}
TARGETS = {
    "next_request": ["gap_s", "request_tokens", "response_tokens"],
    "window_load": ["requests", "request_tokens", "response_tokens"],
    "series": ["load", "temperature"],
}


@pytest.fixture(scope="module", params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(task: str, tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp(task)
    source = FIXTURES / "azure-conv-excerpt.csv"
    if task == "series":
        source = folder / "series.csv"
        rows = [f"2026-01-{1 + at // 24:02} {at % 24:02}:00:00,{100 + 9 * math.sin(at / 4)},{at % 7}" for at in range(480)]
        source.write_text("\n".join(["date,load,temperature", *rows]) + "\n")
    path = folder / "files.toml"
    path.write_text(
        f'name = "files"\n[dataset]\nsource = "{source}"\n{TASKS[task]}\n[training]\nepochs = 1\n[[models]]\n[models.linear]\n'
    )
    return burstlab.run(path, results=folder / "results")


@pytest.fixture
def run(made: Results) -> str:
    return str(made.runs()["run_id"][0])


@pytest.fixture
def saved(made: Results, run: str) -> dict[str, Any]:
    return tomllib.loads((made.folder / "runs" / run / "run.toml").read_text())


def test_predictions_have_these_columns(made: Results, run: str, task: str) -> None:
    columns = {"part": polars.String, "time_s": polars.Float64, "ahead": polars.UInt32}
    for target in TARGETS[task]:
        columns |= {f"{target}_actual": polars.Float64, f"{target}_forecast": polars.Float64}
        columns |= {f"{target}_forecast_scaled": polars.Float32}
        if task != "series":
            columns |= {f"{target}_{quantile}": polars.Float64 for quantile in QUANTILES}
    assert dict(made.predictions(run).schema) == columns


def test_each_window_has_a_row_for_each_step_ahead(made: Results, run: str, task: str) -> None:
    kept = made.predictions(run)
    horizon = 2 if task == "next_request" else 3
    assert kept["ahead"].to_list() == list(range(1, horizon + 1)) * (kept.height // horizon)
    parts = kept["part"].unique(maintain_order=True).to_list()
    assert parts == (["valid", "test"] if task == "series" else ["valid", "calibration", "test"])
    step_s = {"window_load": 5.0, "series": 3600.0}.get(task)
    if step_s is not None:
        first, second = kept["time_s"][:2]
        assert second - first == step_s and first % step_s == 0


def test_quantiles_are_there_in_the_test_part_only(made: Results, run: str, task: str) -> None:
    kept = made.predictions(run)
    for name in kept.columns:
        is_quantile = name.rpartition("_")[2] in QUANTILES
        missing = kept.filter(polars.col("part") != "test").height if is_quantile else 0
        assert kept[name].null_count() == missing, name
    if task != "series":
        test = kept.filter(polars.col("part") == "test")
        for target in TARGETS[task]:
            levels = test.select([f"{target}_{quantile}" for quantile in QUANTILES]).rows()
            assert all(list(row) == sorted(row) for row in levels)


def test_scales_lead_from_original_to_scaled_units_and_back(made: Results, run: str, saved: Mapping[str, Any], task: str) -> None:
    kept = made.predictions(run)
    for scale, target in zip(saved["scaler"]["channels"], TARGETS[task]):
        assert scale["channel"]["name"] == target
        assert scale["channel"]["transform"] == ("identity" if task == "series" else "log1p")
        value = kept[f"{target}_forecast_scaled"].cast(polars.Float64) * scale["std"] + scale.get("mean_rest", 0.0) + scale["mean"]
        original = (value.exp() - 1).clip(lower_bound=0.0) if task != "series" else value
        # To a millionth of the standard deviation of what was observed.
        kept_to = kept.select(polars.col(f"{target}_actual").std()).item() * 1e-6
        assert (original - kept[f"{target}_forecast"]).abs().max() < kept_to
        error = kept[f"{target}_forecast_scaled"].cast(polars.Float64) - _scaled(kept[f"{target}_actual"], scale)
        test = error.filter(kept["part"] == "test")
        stored = made.metrics(run=run, part="test", target=target, unit="scaled", name="mse")["value"][0]
        assert (test * test).mean() == pytest.approx(stored, rel=1e-5)


def _scaled(values: polars.Series, scale: Mapping[str, Any]) -> polars.Series:
    if scale["channel"]["transform"] == "log1p":
        values = (values + 1).log()
    scaled: polars.Series = (values - scale["mean"] - scale.get("mean_rest", 0.0)) / scale["std"]
    return scaled


def test_all_is_the_mean_over_the_targets(made: Results, run: str) -> None:
    scores = made.metrics(run=run, part="test", unit="scaled", name="mse")
    total = scores.filter(polars.col("target") == "all")["value"][0]
    assert scores.filter(polars.col("target") != "all")["value"].mean() == pytest.approx(total, rel=1e-12)
    assert made.metrics(run=run, target="all", unit="original").height == 0


def test_safetensors_have_these_shapes(made: Results, run: str, task: str) -> None:
    folder = made.folder / "runs" / run
    lookback, horizon = {"next_request": (10, 2), "window_load": (6, 3), "series": (24, 3)}[task]
    shapes = {name: tensor.shape for name, tensor in read_safetensors(folder / "model.safetensors").items()}
    assert shapes == {"Linear.weight": (horizon, lookback), "Linear.bias": (horizon,)}
    intervals = folder / "intervals.safetensors"
    if task == "series":
        assert not intervals.exists()
    else:
        assert {name: tensor.shape for name, tensor in read_safetensors(intervals).items()} == {"offsets": (3, horizon, 7)}


def test_run_toml_says_what_the_store_says(made: Results, run: str, saved: Mapping[str, Any], task: str) -> None:
    row = made.runs().row(0, named=True)
    assert (saved["run_id"], saved["seed"], saved["fold"]) == (run, row["seed"], row["fold"])
    assert (saved["dataset_sha256"], saved["version"]) == (row["dataset_sha256"], row["version"])
    channels = [scale["channel"]["name"] for scale in saved["scaler"]["channels"]]
    assert channels == TARGETS[task] + (["burst"] if task == "next_request" else [])
    assert ("arrivals" in saved, "clock" in saved) == (task != "series", task == "series")
    assert ("calibration_windows" in saved) == (task != "series")
    assert saved["predictions_stride"] == 1
    # The scales are of the training part, which is the first 70 % of the steps.
    assert saved["scaler"]["fitted"] == {"start": 0, "end": int(saved["steps"] * 0.7)}
