"""The files of a saved run, without PyTorch: `run.toml` and safetensors."""

from __future__ import annotations

import json
import math
import struct
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ._errors import RunFilesError

# Targets of the tasks on requests; a series forecasts all its channels.
_REQUEST_TARGETS = 3


@dataclass(frozen=True)
class Scale:
    """How a channel is brought to the scale that models learn on."""

    name: str
    unit: str
    transform: Literal["log1p", "identity", "raw"]
    mean: float
    mean_rest: float
    """What the mean lost by rounding."""
    std: float
    constant: bool
    """Whether the channel never moved in training."""
    clip: float | None
    """Inputs are clipped above this value, in original units."""

    @property
    def lowest(self) -> float:
        """The least scaled value that the channel can have: gaps, counts and tokens are never below zero."""
        return (0.0 - self.mean - self.mean_rest) / self.std if self.transform == "log1p" else -math.inf


@dataclass(frozen=True)
class Member:
    """A member of a saved ensemble."""

    run_id: str
    kind: str
    options: Mapping[str, Any]
    lookback: int


@dataclass(frozen=True)
class SavedRun:
    """What `run.toml` says about a model."""

    run_id: str
    kind: str
    options: Mapping[str, Any]
    """The model's hyperparameters."""
    task: str
    lookback: int
    horizon: int
    channels: tuple[Scale, ...]
    targets: int
    """How many channels are forecast: the first ones."""
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Tensor:
    """A tensor of a safetensors file: 32-bit floats, row by row, little-endian."""

    shape: tuple[int, ...]
    data: bytes


def read_saved_run(folder: Path) -> SavedRun:
    """Reads `run.toml`.

    Raises:
        RunFilesError: It is missing, damaged, or of a version that this package does not know.
    """
    path = folder / "run.toml"
    try:
        saved = tomllib.loads(path.read_text())
        spec = saved["spec"]
        ((kind, options),) = spec["model"].items()
        ((task_name, task),) = spec["task"].items()
        channels = tuple(_scale(scale) for scale in saved["scaler"]["channels"])
        members = tuple(_member(member) for member in saved.get("members", []))
        return SavedRun(
            run_id=saved["run_id"],
            kind=kind,
            options=options,
            task=task_name,
            lookback=task["lookback"],
            horizon=task.get("horizon", 1),
            channels=channels,
            targets=len(channels) if task_name == "series" else _REQUEST_TARGETS,
            members=members,
        )
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValueError, AttributeError) as error:
        raise RunFilesError(f"{path} cannot be understood: {error!r}") from error


def _scale(given: Mapping[str, Any]) -> Scale:
    channel = given["channel"]
    return Scale(
        name=channel["name"],
        unit=channel["unit"],
        transform=channel["transform"],
        mean=given["mean"],
        mean_rest=given.get("mean_rest", 0.0),
        std=given["std"],
        constant=given.get("constant", False),
        clip=given.get("clip"),
    )


def _member(given: Mapping[str, Any]) -> Member:
    ((kind, options),) = given["model"].items()
    return Member(given["run_id"], kind, options, given["lookback"])


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Reads a safetensors file: eight bytes of length, a JSON header, the tensors.

    Raises:
        RunFilesError: It is missing, damaged, or holds anything but 32-bit floats.
    """
    try:
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        tensors = {}
        for name, entry in header.items():
            if entry["dtype"] != "F32":
                raise ValueError(f"`{name}` is of type {entry['dtype']}")
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            shape = tuple(entry["shape"])
            if end > len(data) or end - start != 4 * math.prod(shape):
                raise ValueError(f"`{name}` does not fit its shape {list(shape)}")
            tensors[name] = Tensor(shape, data[start:end])
    except (OSError, struct.error, KeyError, ValueError, TypeError, AttributeError) as error:
        raise RunFilesError(f"{path} is not a file of saved parameters: {error}") from error
    return tensors
