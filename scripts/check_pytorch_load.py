#!/usr/bin/env python3
"""Saved models open in PyTorch: model.safetensors goes into torch.nn modules, whose forecasts are those of the run.

check_pytorch_load.py RESULTS TRACE: for every finished run of an lstm, gru, tcn, linear, nlinear or dlinear in RESULTS, trained
on the next request of the Azure-layout TRACE without features and cleaning, the inputs are rebuilt from the trace with the
scales in run.toml, and every forecast kept in predictions.parquet must agree to 1e-5 in scaled units.
"""
import json
import struct
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import torch

TOLERANCE = 1e-5
TARGETS = ["gap_s", "request_tokens", "response_tokens"]


def read_safetensors(path):
    """The format is eight bytes of length, a JSON header, and the tensors: https://github.com/huggingface/safetensors."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", f"{name} is of type {entry['dtype']}"
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[start:end], dtype="<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


class Recurrent(torch.nn.Module):
    """torch.nn.LSTM or torch.nn.GRU, and the two layers of the head."""

    def __init__(self, kind, spec, horizon):
        super().__init__()
        hidden, layers = spec["hidden"], spec.get("layers", 1)
        cell = torch.nn.LSTM if kind == "lstm" else torch.nn.GRU
        setattr(self, kind, cell(len(TARGETS), hidden, num_layers=layers, batch_first=True))
        self.fc1 = torch.nn.Linear(hidden, hidden // 2)
        self.fc2 = torch.nn.Linear(hidden // 2, horizon * len(TARGETS))
        self.kind, self.horizon = kind, horizon

    def forward(self, past):
        states, _ = getattr(self, self.kind)(past)
        return self.fc2(torch.relu(self.fc1(states[:, -1]))).reshape(-1, self.horizon, len(TARGETS))


class Linear(torch.nn.Module):
    """Linear, NLinear and DLinear as published (Zeng et al., AAAI 2023), with the names of that code."""

    def __init__(self, kind, spec, lookback, horizon):
        super().__init__()
        names = ["Linear_Seasonal", "Linear_Trend"] if kind == "dlinear" else ["Linear"]
        own = lambda: torch.nn.Linear(lookback, horizon)
        for name in names:
            per_channel = spec.get("per_channel", False)
            setattr(self, name, torch.nn.ModuleList(own() for _ in TARGETS) if per_channel else own())
        self.kind, self.kernel = kind, spec.get("kernel", 25)

    def layer(self, name, past):
        layer = getattr(self, name)
        if isinstance(layer, torch.nn.ModuleList):
            return torch.stack([own(past[:, index]) for index, own in enumerate(layer)], 1)
        return layer(past)

    def forward(self, past):
        past = past.transpose(1, 2)
        if self.kind == "linear":
            forecast = self.layer("Linear", past)
        elif self.kind == "nlinear":
            last = past[:, :, -1:]
            forecast = self.layer("Linear", past - last) + last
        else:
            half = (self.kernel - 1) // 2
            padded = torch.cat([past[:, :, :1].repeat(1, 1, half), past, past[:, :, -1:].repeat(1, 1, half)], 2)
            trend = torch.nn.functional.avg_pool1d(padded, self.kernel, stride=1)
            forecast = self.layer("Linear_Seasonal", past - trend) + self.layer("Linear_Trend", trend)
        return forecast.transpose(1, 2)


class CausalConv(torch.nn.Conv1d):
    def forward(self, past):
        return super().forward(torch.nn.functional.pad(past, (self.dilation[0] * (self.kernel_size[0] - 1), 0)))


class TcnBlock(torch.nn.Module):
    def __init__(self, inputs, hidden, kernel, dilation):
        super().__init__()
        self.conv1 = CausalConv(inputs, hidden, kernel, dilation=dilation)
        self.conv2 = CausalConv(hidden, hidden, kernel, dilation=dilation)
        self.downsample = torch.nn.Linear(inputs, hidden) if inputs != hidden else None

    def forward(self, past):
        inner = torch.relu(self.conv2(torch.relu(self.conv1(past))))
        residual = past if self.downsample is None else self.downsample(past.transpose(1, 2)).transpose(1, 2)
        return torch.relu(inner + residual)


class Tcn(torch.nn.Module):
    """Causal convolutions as published (Bai et al., 2018), without weight normalisation."""

    def __init__(self, spec, horizon):
        super().__init__()
        hidden, kernel = spec["hidden"], spec["kernel"]
        self.blocks = torch.nn.Sequential(
            *(TcnBlock(hidden if at else len(TARGETS), hidden, kernel, 2**at) for at in range(spec["blocks"]))
        )
        self.fc_out = torch.nn.Linear(hidden, horizon * len(TARGETS))
        self.horizon = horizon

    def forward(self, past):
        states = self.blocks(past.transpose(1, 2))
        return self.fc_out(states[:, :, -1]).reshape(-1, self.horizon, len(TARGETS))


def read_steps(trace):
    """Step i is request i + 1: its gap and its tokens, with its arrival since the first request."""
    frame = pd.read_csv(trace)
    # Dates have seven digits of a second, one more than datetime keeps: whole seconds and fraction are read apart.
    seconds = frame.TIMESTAMP.str.split(".", expand=True)
    whole = seconds[0].to_numpy("U19").astype("datetime64[s]").astype("int64")
    nanoseconds = whole * 1_000_000_000 + seconds[1].str.ljust(9, "0").astype("int64").to_numpy()
    arrival_s = (nanoseconds - nanoseconds[0]) / 1e9
    values = np.stack([np.diff(arrival_s), frame.ContextTokens[1:], frame.GeneratedTokens[1:]], 1)
    return values, arrival_s[1:]


def check(run, values, arrival_s):
    saved = tomllib.loads((run / "run.toml").read_text())
    spec = saved["spec"]
    (kind, model_spec), = spec["model"].items()
    task = spec["task"]["next_request"]
    lookback, horizon = task["lookback"], task.get("horizon", 1)
    assert not task.get("features") and spec["training"]["loss"] == "mse", f"{run} is of another kind"
    scales = [(scale["mean"], scale["std"]) for scale in saved["scaler"]["channels"]]
    scale = lambda values: np.stack([(np.log1p(values[..., at]) - mean) / std for at, (mean, std) in enumerate(scales)], -1)
    if kind in ("lstm", "gru"):
        network = Recurrent(kind, model_spec, horizon)
    elif kind == "tcn":
        network = Tcn(model_spec, horizon)
    else:
        network = Linear(kind, model_spec, lookback, horizon)
    network.load_state_dict(read_safetensors(run / "model.safetensors"), strict=True)
    table = pd.DataFrame(pl.read_parquet(run / "predictions.parquet").to_dict(as_series=False))
    first = table[table.ahead == 1]
    origins = np.searchsorted(arrival_s, first.time_s.to_numpy())
    assert np.array_equal(arrival_s[origins], first.time_s), "the arrivals are not those of the trace"
    inputs = scale(values).astype(np.float32)
    pasts = torch.from_numpy(np.stack([inputs[origin - lookback : origin] for origin in origins]))
    with torch.no_grad():
        own = network(pasts).numpy()
    # No gap and no count is below zero, so that no forecast of the model is below what zero is on its scale.
    own = np.maximum(own, scale(np.zeros(3)).astype(np.float32))
    theirs = table[[f"{target}_forecast_scaled" for target in TARGETS]].to_numpy(np.float64)
    difference = np.abs(own - theirs.reshape(own.shape)).max()
    print(f"{kind} ({run.name}): {own.size:,} forecasts, largest difference {difference:.1e} in scaled units")
    # The control: a forecast that is always the same would agree with itself; these are not.
    assert own[:, 0].std(axis=0).min() > 100 * TOLERANCE, "the forecasts hardly differ from window to window"
    return kind, difference


def main():
    results, trace = Path(sys.argv[1]), sys.argv[2]
    values, arrival_s = read_steps(trace)
    found = [check(run, values, arrival_s) for run in sorted((results / "runs").iterdir()) if run.name[0] != "."]
    missing = {"lstm", "gru", "tcn", "linear", "nlinear", "dlinear"} - {kind for kind, _ in found}
    if missing:
        sys.exit(f"FAILED: no run of {', '.join(sorted(missing))}")
    if max(difference for _, difference in found) > TOLERANCE:
        sys.exit(f"FAILED: PyTorch forecasts something else (more than {TOLERANCE:.0e} apart)")


main()
