"""What all saved models have in common as PyTorch modules: scales, and where forecasts can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ._saved_run import SavedRun, Scale

# Levels of the quantile heads, in the order of the heads.
QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
_MEDIAN = QUANTILES.index(0.5)
# Distance of 1 to the next double: what a constant may be off by rounding.
_EPSILON = 2.0**-52


@dataclass(frozen=True)
class Plan:
    """What a model is built by, beside what its run says."""

    kind: str
    options: Mapping[str, Any]
    lookback: int
    heads: int
    """Quantiles of each forecast; 1 where it is one value."""
    is_corrected: bool
    """Whether a term is added to the point forecasts (`evaluation.bias_correction`)."""


class SavedNetwork(nn.Module):
    """A saved model with its weights, and the scales of its channels.

    Called, it maps scaled inputs (`batch x lookback x channels`) to what the network gives in scaled units, with gradients:
    `batch x horizon x targets`, or `batch x horizon x targets x 7` at the levels of `QUANTILES` with quantile heads. `forecast`
    goes from original units to original units. The names in `state_dict()` are those in `model.safetensors`.
    """

    bias_correction: torch.Tensor | None

    def __init__(self, saved: SavedRun, plan: Plan) -> None:
        super().__init__()
        self.run_id, self.kind, self.task = saved.run_id, plan.kind, saved.task
        self.lookback, self.horizon, self.heads = plan.lookback, saved.horizon, plan.heads
        self.target_count = saved.targets
        # Whether a target that never moved in training is forecast as its constant.
        self.repeats_constants = True
        self.scales: tuple[Scale, ...] = saved.channels
        correction = torch.zeros(saved.horizon, saved.targets) if plan.is_corrected else None
        self.register_buffer("bias_correction", correction)

    def split_heads(self, output: torch.Tensor) -> torch.Tensor:
        """The last layer's outputs by step, target and head."""
        shape = [len(output), self.horizon, self.target_count]
        return output.reshape(shape if self.heads == 1 else [*shape, self.heads])

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the input channels, in their order."""
        return tuple(scale.name for scale in self.scales)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the channels that are forecast: the first input channels."""
        return self.channels[: self.target_count]

    def extra_repr(self) -> str:
        return f"run={self.run_id}, lookback={self.lookback}, channels={self.channels}, horizon={self.horizon}"

    def scale(self, values: torch.Tensor) -> torch.Tensor:
        """Inputs in original units to the scale of the model, clipped as in training; the last axis is the channels."""
        values = values.to(torch.float64)
        scaled = [_scaled(values[..., at], scale) for at, scale in enumerate(self.scales)]
        return torch.stack(scaled, -1).to(torch.float32)

    def unscale(self, forecasts: torch.Tensor) -> torch.Tensor:
        """Forecasts of the targets to original units, in double precision; the last axis is the targets."""
        values = [_unscaled(forecasts[..., at], self.scales[at]) for at in range(self.target_count)]
        return torch.stack(values, -1)

    def quantiles(self, past: torch.Tensor) -> torch.Tensor:
        """The quantiles of scaled inputs in scaled units, in order and where the targets can be.

        Raises:
            ValueError: The model has no quantile heads.
        """
        if self.heads == 1:
            raise ValueError(f"this {self.kind} forecasts one value; train it with loss = \"pinball\" for quantiles")
        ordered = self(past).sort(-1).values
        return self._settle(past, ordered.transpose(2, 3)).transpose(2, 3)

    def point(self, past: torch.Tensor) -> torch.Tensor:
        """The point forecasts of scaled inputs in scaled units, as `TARGET_forecast_scaled` keeps them."""
        forecasts = self(past) if self.heads == 1 else self(past).sort(-1).values[..., _MEDIAN]
        forecasts = self._settle(past, forecasts)
        if self.bias_correction is not None:
            forecasts = self._settle(past, forecasts + self.bias_correction)
        return forecasts

    @torch.no_grad()
    def forecast(self, values: torch.Tensor) -> torch.Tensor:
        """The point forecasts of inputs in original units, in original units: `batch x lookback x channels` of the last steps
        before the forecast to `batch x horizon x targets`."""
        self._check(values)
        return self.unscale(self.point(self.scale(values)))

    def _settle(self, past: torch.Tensor, forecasts: torch.Tensor) -> torch.Tensor:
        """Brings forecasts to where their targets can be; the last axis is the targets."""
        settled = []
        for at in range(self.target_count):
            scale, values = self.scales[at], forecasts[..., at]
            if scale.transform == "log1p":
                values = values.clamp(min=_single(scale.lowest))
            if scale.constant and self.repeats_constants:
                # A target that never moved is forecast as its constant while the window has seen nothing else.
                own_past = past[..., at].abs().to(torch.float64)
                still = (own_past <= 4 * _EPSILON * abs(scale.mean)).all(1)
                values = values.masked_fill(still.reshape([-1] + [1] * (values.dim() - 1)), 0.0)
            settled.append(values)
        return torch.stack(settled, -1)

    def _check(self, past: torch.Tensor) -> None:
        if past.dim() != 3 or past.shape[1:] != (self.lookback, len(self.scales)):
            raise ValueError(
                f"the inputs must have the shape batch x {self.lookback} x {len(self.scales)} (steps, and channels "
                f"{', '.join(self.channels)}), got {' x '.join(map(str, past.shape))}"
            )


def _single(value: float) -> float:
    return float(torch.tensor(value, dtype=torch.float32))


def _scaled(values: torch.Tensor, scale: Scale) -> torch.Tensor:
    if scale.clip is not None:
        values = values.clamp(max=scale.clip)
    if scale.transform == "log1p":
        values = values.log1p()
    scaled: torch.Tensor = values.sub(scale.mean).sub(scale.mean_rest).div(scale.std)
    return scaled


def _unscaled(values: torch.Tensor, scale: Scale) -> torch.Tensor:
    original = values.to(torch.float64) * scale.std + scale.mean_rest + scale.mean
    if scale.transform == "log1p":
        # What single precision cannot tell from the least value is exactly zero.
        return original.expm1().masked_fill(values <= _single(scale.lowest), 0.0)
    return original
