"""Conditions on runs: in SQL, or as labels and the command line write them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ._errors import ConditionError

# A parameter, an operator, and a value without spaces, quotes and brackets.
_BARE = re.compile(r"\s*([\w.-]+)\s*(?:!=|<=|>=|=|<|>|\s+in\s)\s*([^\s'\"()=<>]+)\s*", re.IGNORECASE)
# What the command line calls by the same name as the view `runs`.
_SHARED = {"experiment", "model", "seed", "fold", "status", "device"}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Conditions:
    """Conditions by who judges them."""

    sql: list[str]
    """For SQLite, on the columns of the view `runs`."""
    labels: list[str]
    """For the program, as `--where` takes them."""


def sort_conditions(where: str | Sequence[str] | None, columns: Collection[str]) -> Conditions:
    """Tells the two ways to write a condition apart.

    One comparison with a bare value (`learning_rate<1e-3`, `model=lstm`, `lookback in 20,50`) is a condition of the command
    line. Everything else is SQL. A column of `runs` that the command line does not know, such as `wall_s`, is SQL as well.

    Raises:
        ConditionError: An empty condition, or a column of text that is compared with a value without quotes.
    """
    found = Conditions([], [])
    for condition in [where] if isinstance(where, str) else where or []:
        if not condition.strip():
            raise ConditionError("a condition is empty; leave `where` out to take all runs")
        bare = _BARE.fullmatch(condition)
        if bare is None:
            found.sql.append(condition)
            continue
        name, value = bare[1], bare[2]
        if name not in columns or name in _SHARED:
            found.labels.append(condition.strip())
        elif _NUMBER.fullmatch(value):
            found.sql.append(condition)
        else:
            # SQLite would read 2026-11-01 as a subtraction.
            raise ConditionError(f"`{condition}`: `{name}` is a column; put its value in quotes: {name} ... '{value}'")
    return found
