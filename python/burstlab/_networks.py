"""Saved models as PyTorch modules, with the parameter names of `model.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ._errors import RunFilesError, UnsupportedModelError
from ._saved_network import Plan, SavedNetwork
from ._saved_run import Member, SavedRun, Tensor, read_safetensors, read_saved_run


class Recurrent(SavedNetwork):
    """`torch.nn.LSTM` or `torch.nn.GRU`, and the two layers of the head."""

    def __init__(self, saved: SavedRun, plan: Plan) -> None:
        super().__init__(saved, plan)
        hidden, layers = plan.options["hidden"], plan.options["layers"]
        cell = nn.LSTM if plan.kind == "lstm" else nn.GRU
        # PyTorch warns of dropout where there is one layer, which has none.
        dropout = plan.options["dropout"] if layers > 1 else 0.0
        setattr(self, plan.kind, cell(len(saved.channels), hidden, num_layers=layers, dropout=dropout, batch_first=True))
        self.fc1 = nn.Linear(hidden, hidden // 2)
        self.fc2 = nn.Linear(hidden // 2, saved.horizon * saved.targets * plan.heads)

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        states, _ = getattr(self, self.kind)(past)
        return self.split_heads(self.fc2(torch.relu(self.fc1(states[:, -1]))))


class Linear(SavedNetwork):
    """Linear, NLinear and DLinear as published (Zeng et al., AAAI 2023): each target from its own past alone."""

    def __init__(self, saved: SavedRun, plan: Plan) -> None:
        super().__init__(saved, plan)
        self.kernel = plan.options.get("kernel", 1)
        for name in ["Linear_Seasonal", "Linear_Trend"] if plan.kind == "dlinear" else ["Linear"]:
            layers = [nn.Linear(plan.lookback, saved.horizon * plan.heads) for _ in range(saved.targets)]
            # One target's own weights have the names of weights that are shared.
            own = plan.options["per_channel"] and saved.targets > 1
            setattr(self, name, nn.ModuleList(layers) if own else layers[0])

    def _layer(self, name: str, past: torch.Tensor) -> torch.Tensor:
        layer = getattr(self, name)
        if isinstance(layer, nn.ModuleList):
            return torch.stack([own(past[:, target]) for target, own in enumerate(layer)], 1)
        forecast: torch.Tensor = layer(past)
        return forecast

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        past = past[:, :, : self.target_count].transpose(1, 2)
        if self.kind == "linear":
            forecast = self._layer("Linear", past)
        elif self.kind == "nlinear":
            last = past[:, :, -1:]
            forecast = self._layer("Linear", past - last) + last
        else:
            half = (self.kernel - 1) // 2
            padded = torch.cat([past[:, :, :1].repeat(1, 1, half), past, past[:, :, -1:].repeat(1, 1, half)], 2)
            trend = nn.functional.avg_pool1d(padded, self.kernel, stride=1)
            forecast = self._layer("Linear_Seasonal", past - trend) + self._layer("Linear_Trend", trend)
        # To the layer a head is one more step: `batch x targets x (horizon x heads)`.
        if self.heads == 1:
            return forecast.transpose(1, 2)
        return forecast.reshape(len(past), self.target_count, self.horizon, self.heads).transpose(1, 2)


class TcnBlock(nn.Module):
    """Two causal convolutions around a residual connection."""

    def __init__(self, inputs: int, options: Mapping[str, Any], dilation: int) -> None:
        super().__init__()
        hidden, kernel = options["hidden"], options["kernel"]
        self.reach = (kernel - 1) * dilation
        self.conv1 = nn.Conv1d(inputs, hidden, kernel, dilation=dilation)
        self.conv2 = nn.Conv1d(hidden, hidden, kernel, dilation=dilation)
        self.downsample = nn.Linear(inputs, hidden) if inputs != hidden else None
        self.dropout = nn.Dropout(options["dropout"])

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        inner = past
        for conv in (self.conv1, self.conv2):
            # Steps before the first count as zero.
            inner = self.dropout(torch.relu(conv(nn.functional.pad(inner, (self.reach, 0)))))
        residual = past if self.downsample is None else self.downsample(past.transpose(1, 2)).transpose(1, 2)
        return torch.relu(inner + residual)


class Tcn(SavedNetwork):
    """Causal convolutions (Bai et al., 2018) without weight normalisation."""

    def __init__(self, saved: SavedRun, plan: Plan) -> None:
        super().__init__(saved, plan)
        hidden, channels = plan.options["hidden"], len(saved.channels)
        blocks = [TcnBlock(hidden if at else channels, plan.options, 2**at) for at in range(plan.options["blocks"])]
        self.blocks = nn.Sequential(*blocks)
        self.fc_out = nn.Linear(hidden, saved.horizon * saved.targets * plan.heads)

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        return self.split_heads(self.fc_out(self.blocks(past.transpose(1, 2))[:, :, -1]))


class MixerBlock(nn.Module):
    """A layer that mixes steps and one that mixes channels, each around a residual connection."""

    def __init__(self, lookback: int, channels: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.time_norm = nn.LayerNorm([lookback, channels])
        self.time = nn.Linear(lookback, lookback)
        self.feature_norm = nn.LayerNorm([lookback, channels])
        self.fc1 = nn.Linear(channels, options["hidden"])
        self.fc2 = nn.Linear(options["hidden"], channels)
        self.dropout = nn.Dropout(options["dropout"])

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        steps = self.time(self.time_norm(past).transpose(1, 2))
        mixed = past + self.dropout(torch.relu(steps)).transpose(1, 2)
        features = self.dropout(torch.relu(self.fc1(self.feature_norm(mixed))))
        output: torch.Tensor = mixed + self.dropout(self.fc2(features))
        return output


class TsMixer(SavedNetwork):
    """TSMixer (Chen et al., TMLR 2023) with layer normalisation."""

    def __init__(self, saved: SavedRun, plan: Plan) -> None:
        super().__init__(saved, plan)
        channels = len(saved.channels)
        blocks = [MixerBlock(plan.lookback, channels, plan.options) for _ in range(plan.options["blocks"])]
        self.blocks = nn.Sequential(*blocks)
        self.temporal_projection = nn.Linear(plan.lookback, saved.horizon)
        self.fc_out = nn.Linear(channels, saved.targets * plan.heads)

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        future = self.temporal_projection(self.blocks(past).transpose(1, 2)).transpose(1, 2)
        return self.split_heads(self.fc_out(future))


class Constant(SavedNetwork):
    """`zero`, `mean` and `median`: one value for each target."""

    def __init__(self, saved: SavedRun, plan: Plan) -> None:
        super().__init__(saved, plan)
        self.value = nn.Parameter(torch.zeros(saved.targets))
        # Zero is zero even beside a target that is always five.
        self.repeats_constants = plan.kind != "zero"

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        return self.value.expand(len(past), self.horizon, self.target_count)


class Recent(SavedNetwork):
    """`persistence`, `moving_average` and `seasonal_naive`: the steps of the lookback, averaged or repeated."""

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        recent = past[:, :, : self.target_count]
        if self.kind == "seasonal_naive":
            return recent[:, [ahead % self.lookback for ahead in range(self.horizon)]]
        return recent.mean(1, keepdim=True).expand(-1, self.horizon, -1)


class Ensemble(SavedNetwork):
    """The weighted mean of other models' point forecasts."""

    def __init__(self, saved: SavedRun, plan: Plan, members: Mapping[str, SavedNetwork]) -> None:
        super().__init__(saved, plan)
        self.weights = nn.Parameter(torch.zeros(len(members), saved.targets))
        self.members = nn.ModuleDict(dict(members))

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        members = [member for member in self.members.values() if isinstance(member, SavedNetwork)]
        forecasts = torch.stack([member.point(past[:, -member.lookback :]) for member in members])
        return (forecasts * self.weights[:, None, None, :]).sum(0)


_KINDS: Mapping[str, type[SavedNetwork]] = {
    **dict.fromkeys(["lstm", "gru"], Recurrent),
    **dict.fromkeys(["linear", "nlinear", "dlinear"], Linear),
    "tcn": Tcn,
    "ts_mixer": TsMixer,
    **dict.fromkeys(["zero", "mean", "median"], Constant),
    **dict.fromkeys(["persistence", "moving_average", "seasonal_naive"], Recent),
}
# The layer that gives the forecasts.
_LAST_LAYER = {
    **dict.fromkeys(["lstm", "gru"], "fc2"),
    **dict.fromkeys(["tcn", "ts_mixer"], "fc_out"),
    **dict.fromkeys(["linear", "nlinear"], "Linear"),
    "dlinear": "Linear_Seasonal",
}


def load_network(folder: Path) -> SavedNetwork:
    """The saved model in a run's folder, in evaluation mode.

    Raises:
        UnsupportedModelError: It is of a kind that is not a PyTorch module.
        RunFilesError: Its files are damaged.
    """
    saved = read_saved_run(folder)
    path = folder / "model.safetensors"
    tensors = read_safetensors(path)
    try:
        network = _build(saved, Member(saved.run_id, saved.kind, saved.options, saved.lookback), tensors)
        network.load_state_dict({name: _values(tensor) for name, tensor in tensors.items()}, strict=True)
    except (RuntimeError, KeyError) as error:
        raise RunFilesError(f"the parameters in {path} do not fit the model in run.toml: {error}") from error
    return network.eval()


def _values(tensor: Tensor) -> torch.Tensor:
    if not tensor.data:
        return torch.empty(tensor.shape)
    # A copy, since the bytes of a file cannot be written to.
    return torch.frombuffer(bytearray(tensor.data), dtype=torch.float32).reshape(tensor.shape)


def _build(saved: SavedRun, model: Member, tensors: Mapping[str, Tensor]) -> SavedNetwork:
    """A run's own model, or a member of its ensemble, with the parameters of its own."""
    heads = _heads(saved, model.kind, tensors)
    plan = Plan(model.kind, model.options, model.lookback, heads, "bias_correction" in tensors)
    if model.kind == "ensemble":
        members = {member.run_id: _build(saved, member, _below(member, tensors)) for member in saved.members}
        return Ensemble(saved, plan, members)
    if model.kind not in _KINDS:
        raise UnsupportedModelError(
            f"run {saved.run_id} has a model of the kind `{model.kind}`, which is not a PyTorch module; `burstlab predict "
            f"--run {saved.run_id}` asks the saved model, and `predictions` gives the run's forecasts"
        )
    return _KINDS[model.kind](saved, plan)


def _heads(saved: SavedRun, kind: str, tensors: Mapping[str, Tensor]) -> int:
    """Quantiles of each forecast, by what the last layer gives: a member of an ensemble may have had another loss than the
    ensemble."""
    last = _LAST_LAYER.get(kind)
    for name, tensor in tensors.items():
        if last is not None and name.startswith(f"{last}.") and name.endswith(".bias"):
            of_each_head = saved.horizon if kind.endswith("linear") else saved.targets
            of_each_head *= saved.horizon if kind in ("lstm", "gru", "tcn") else 1
            return max(1, tensor.shape[0] // of_each_head)
    return 1


def _below(member: Member, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"members.{member.run_id}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
