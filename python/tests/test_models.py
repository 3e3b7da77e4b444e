"""Saved models in PyTorch forecast what the runs forecast."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars
import pytest

import burstlab

torch = pytest.importorskip("torch")

Results = burstlab.Results[polars.DataFrame]

TRACE = Path(__file__).resolve().parents[2] / "dataset" / "fixtures" / "azure-conv-excerpt.csv"
# In scaled units, and relative to 1 + the forecast in original units.
TOLERANCE = 1e-5
EXPERIMENT = f"""
name = "models"
[dataset]
source = "{TRACE}"
[dataset.cleaning]
clip_quantile = 0.99
[task.next_request]
lookback = 30
horizon = 3
features = ["arrival_rate", "mean_tokens", "burst", "time_of_day"]
[training]
epochs = 1
loss = {{ grid = ["mse", "pinball"] }}
[evaluation]
bias_correction = "smearing"
"""
NETWORKS = """
[[models]]
[models.lstm]
hidden = 12
layers = 2
dropout = 0.1
[[models]]
[models.gru]
hidden = 8
[[models]]
[models.tcn]
hidden = 8
kernel = 3
blocks = 3
[[models]]
[models.ts_mixer]
[[models]]
[models.linear]
[[models]]
[models.linear]
solver = "least_squares"
[[models]]
[models.nlinear]
per_channel = true
[[models]]
[models.dlinear]
kernel = 5
per_channel = { grid = [false, true] }
[[models]]
[models.ensemble]
members = ["nlinear", "lstm", "moving_average"]
[[models]]
[models.boosted_trees]
trees = 3
[[models]]
[models.zero]
[[models]]
[models.median]
[[models]]
[models.persistence]
[[models]]
[models.moving_average]
window = 7
[[models]]
[models.seasonal_naive]
season = 2
"""
SUPPORTED = {
    *("lstm", "gru", "tcn", "ts_mixer", "linear", "nlinear", "dlinear", "ensemble"),
    *("zero", "median", "persistence", "moving_average", "seasonal_naive"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("models")
    path = folder / "models.toml"
    path.write_text(EXPERIMENT + NETWORKS)
    return burstlab.run(path, results=folder / "results")


@pytest.fixture(scope="module")
def steps() -> tuple[list[float], list[list[float]]]:
    """The arrival of each step, and its channels in original units, rebuilt from the trace as docs/results-files.md says."""
    with TRACE.open() as file:
        rows = list(csv.DictReader(file))
    clock_ns = [_nanoseconds(row["TIMESTAMP"]) for row in rows]
    arrival_s = [(at - clock_ns[0]) / 1e9 for at in clock_ns]
    requested = [float(row["ContextTokens"]) for row in rows]
    answered = [float(row["GeneratedTokens"]) for row in rows]
    steps = []
    for at in range(1, len(rows)):
        first = max(0, at - 9)
        gap_s = arrival_s[at] - arrival_s[at - 1]
        rate = (at - first) / max(arrival_s[at] - arrival_s[first], 1e-3)
        tokens = sum(requested[first : at + 1]) + sum(answered[first : at + 1])
        burst = 1.0 if gap_s < 0.01 else -1.0 if gap_s > 10.0 else 0.0
        angle = math.tau * ((clock_ns[at] / 1e9 / 86_400.0) % 1.0)
        steps.append(
            [gap_s, requested[at], answered[at], rate, tokens / (at + 1 - first), burst, math.sin(angle), math.cos(angle)]
        )
    return arrival_s[1:], steps


def _nanoseconds(timestamp: str) -> int:
    whole, fraction = timestamp.split(".")
    seconds = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def test_every_network_forecasts_what_its_run_forecast(
    trained: Results, steps: tuple[Sequence[float], Sequence[Sequence[float]]]
) -> None:
    arrival_s, values = steps
    step_at = {time_s: step for step, time_s in enumerate(arrival_s)}
    seen = set()
    for run in trained.runs().iter_rows(named=True):
        if run["model"] not in SUPPORTED:
            continue
        network = trained.model(run["run_id"])
        kept = trained.predictions(run["run_id"])
        origins = [step_at[time_s] for time_s in kept.filter(polars.col("ahead") == 1)["time_s"]]
        past = torch.tensor([values[origin - network.lookback : origin] for origin in origins], dtype=torch.float64)
        shape = (len(origins), network.horizon, len(network.targets))
        scaled = _columns(kept, [f"{target}_forecast_scaled" for target in network.targets]).reshape(shape)
        original = _columns(kept, [f"{target}_forecast" for target in network.targets]).reshape(shape)
        label = f"{run['model']} of run {run['run_id']}"
        assert (network.point(network.scale(past)) - scaled).abs().max() < TOLERANCE, label
        # The file keeps them to a millionth of the standard deviation of what was observed.
        kept_to = 1e-6 * _columns(kept, [f"{target}_actual" for target in network.targets]).std(0)
        assert ((network.forecast(past) - original).abs() < TOLERANCE * (1 + original.abs()) + kept_to).all(), label
        # The control: a forecast that is always the same would agree with itself.
        assert run["model"] in ("zero", "median") or scaled.std(0).min() > 100 * TOLERANCE, label
        seen.add(run["model"])
    assert seen == SUPPORTED


def _columns(frame: polars.DataFrame, names: Sequence[str]) -> Any:
    return torch.tensor(frame.select(names).rows(), dtype=torch.float64)


def test_the_names_of_the_parameters_are_those_of_the_file(trained: Results) -> None:
    from burstlab._saved_run import read_safetensors

    for run in trained.runs("model in lstm,dlinear,ts_mixer,ensemble").iter_rows(named=True):
        file = trained.folder / "runs" / run["run_id"] / "model.safetensors"
        assert set(trained.model(run["run_id"]).state_dict()) == set(read_safetensors(file))


def test_a_network_can_be_trained_further_and_saved(trained: Results, tmp_path: Path) -> None:
    network = trained.model(trained.runs(["model=lstm", "loss=mse"])["run_id"][0])
    assert not network.training
    past = torch.zeros(4, network.lookback, len(network.channels))
    before = network(past).detach()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network.train()
    network(past).square().mean().backward()
    optimizer.step()
    network.eval()
    after = network(past).detach()
    assert (after - before).abs().max() > 1e-4
    torch.save(network.state_dict(), tmp_path / "further.pt")
    network.load_state_dict(torch.load(tmp_path / "further.pt"))
    assert torch.equal(network(past), after)


def test_quantile_heads_are_in_order(trained: Results) -> None:
    network = trained.model(trained.runs(["model=gru", "loss=pinball"])["run_id"][0])
    past = torch.randn(5, network.lookback, len(network.channels), generator=torch.Generator().manual_seed(1))
    quantiles = network.quantiles(past)
    assert quantiles.shape == (5, network.horizon, 3, 7) and (quantiles.diff(dim=-1) >= 0).all()
    plain = trained.model(trained.runs(["model=gru", "loss=mse"])["run_id"][0])
    with pytest.raises(ValueError, match="forecasts one value"):
        plain.quantiles(past)


def test_other_models_are_told(trained: Results) -> None:
    run = trained.runs("model=boosted_trees")["run_id"][0]
    with pytest.raises(burstlab.UnsupportedModelError, match=rf"`boosted_trees`, which is not .* `burstlab predict --run {run}"):
        trained.model(run)


def test_inputs_of_another_shape_are_told(trained: Results) -> None:
    network = trained.model(trained.runs(["model=lstm", "loss=mse"])["run_id"][0])
    with pytest.raises(ValueError, match=r"batch x 30 x 8 \(steps, and channels gap_s, .*\), got 1 x 30 x 3"):
        network.forecast(torch.zeros(1, 30, 3))


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_damaged_parameters_are_told(trained: Results, damage: str, tmp_path: Path) -> None:
    run = trained.runs(["model=lstm", "loss=mse"])["run_id"][0]
    file = trained.folder / "runs" / run / "model.safetensors"
    whole = file.read_bytes()
    other = trained.folder / "runs" / trained.runs(["model=gru", "loss=mse"])["run_id"][0] / "model.safetensors"
    try:
        file.write_bytes(whole[:-40] if damage == "cut" else other.read_bytes())
        with pytest.raises(burstlab.RunFilesError, match=r"model\.safetensors"):
            trained.model(run)
    finally:
        file.write_bytes(whole)
