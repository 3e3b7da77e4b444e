"""The leaderboards of an experiment, as a notebook shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import Any

_STYLE = (
    "<style>.burstlab td, .burstlab th { text-align: right; padding: 0.1em 0.8em; font-variant-numeric: tabular-nums; } "
    ".burstlab td:first-child, .burstlab th:first-child { text-align: left; } "
    ".burstlab .best td { font-weight: bold; } .burstlab caption { text-align: left; font-weight: bold; }</style>"
)


@dataclass(frozen=True)
class LeaderboardRow:
    """A model on a leaderboard: its trial that is best on validation."""

    model: str
    label: str
    """The model with the parameters that tell its trial apart."""
    baseline: bool
    """Whether it is a naive baseline."""
    trials: int
    trials_done: int
    seeds: int
    """0 for a model without randomness."""
    run_ids: Sequence[str]
    valid: float | None
    """The objective on validation, as the mean over seeds."""
    test: float | None
    test_spread: float | None
    """Standard deviation over seeds."""
    skill: float | None
    """Improvement over the best naive baseline, as a share of its error."""
    p_value: float | None
    """Of the difference to the best naive baseline."""
    p_value_against_best: float | None


@dataclass(frozen=True)
class Leaderboard:
    """The models of one setting, best on test first."""

    setting: str
    """The axes in which the settings of an experiment differ; empty where there is one setting."""
    metric: str
    target: str
    unit: str
    runs: int
    done: int
    failed: int
    complete: bool
    """Whether no run is to come."""
    models: Sequence[LeaderboardRow]

    @property
    def title(self) -> str:
        """What the leaderboard is of, and how much of it is done."""
        of = "all targets" if self.target == "all" else self.target
        setting = f"{self.setting}: " if self.setting else ""
        failed = f", {self.failed} failed" if self.failed else ""
        state = "" if self.complete else "; runs are to come, so no difference is tested"
        return f"{setting}{self.metric} of {of} in {self.unit} units ({self.done} of {self.runs} runs done{failed}{state})"


class Comparison:
    """The leaderboards of an experiment: one for each setting (data, split, horizon)."""

    def __init__(self, experiment: str, boards: Sequence[Mapping[str, Any]]) -> None:
        self.experiment = experiment
        self.leaderboards: Sequence[Leaderboard] = [_leaderboard(board) for board in boards]
        """One for each setting."""

    def __repr__(self) -> str:
        return "\n\n".join(_text(self.experiment, board) for board in self.leaderboards)

    def _repr_html_(self) -> str:
        return _STYLE + "".join(_html(self.experiment, board) for board in self.leaderboards)


def _leaderboard(given: Mapping[str, Any]) -> Leaderboard:
    models = [LeaderboardRow(**_known(LeaderboardRow, row)) for row in given["models"]]
    return Leaderboard(**{**_known(Leaderboard, given), "models": models})


def _known(of: type[Leaderboard] | type[LeaderboardRow], given: Mapping[str, Any]) -> dict[str, Any]:
    # The program of a later version may say more.
    return {field.name: given[field.name] for field in fields(of)}


def _header(board: Leaderboard) -> list[str]:
    return ["model", "trials", "seeds", f"valid {board.metric}", f"test {board.metric}", "skill", "p", "p to best"]


def _cells(row: LeaderboardRow) -> list[str]:
    trials = str(row.trials) if row.trials == row.trials_done else f"{row.trials_done} of {row.trials}"
    return [
        row.label + (" (baseline)" if row.baseline else ""),
        trials,
        str(row.seeds or "-"),
        _number(row.valid),
        _with_spread(row.test, row.test_spread),
        "-" if row.skill is None else f"{100 * row.skill:+.1f} %",
        _p_value(row.p_value),
        _p_value(row.p_value_against_best),
    ]


def _number(value: float | None) -> str:
    """Four significant digits, as the program prints errors."""
    return "-" if value is None else f"{value:#.4g}".rstrip(".")


def _with_spread(mean: float | None, spread: float | None) -> str:
    """The spread with as many decimals as the mean."""
    shown = _number(mean)
    return shown if spread is None else f"{shown} ± {spread:.{len(shown.partition('.')[2].partition('e')[0])}f}"


def _p_value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _text(experiment: str, board: Leaderboard) -> str:
    table = [_header(board), *(_cells(row) for row in board.models)]
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = [
        "  ".join([cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))])
        for cells in table
    ]
    return "\n".join([f"{experiment}: {board.title}", *lines])


def _html(experiment: str, board: Leaderboard) -> str:
    header = "".join(f"<th>{escape(title)}</th>" for title in _header(board))
    rows = []
    for place, row in enumerate(board.models):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row))
        # Best on test, which is what the program sorts by; without a test error nothing is best.
        best = ' class="best"' if place == 0 and row.test is not None else ""
        rows.append(f"<tr{best}>{cells}</tr>")
    caption = f"<caption>{escape(f'{experiment}: {board.title}')}</caption>"
    return f'<table class="burstlab">{caption}<thead><tr>{header}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
