"""A comparison as a notebook shows it."""

from __future__ import annotations

import html.parser

import polars

import burstlab
from burstlab import _comparison

Results = burstlab.Results[polars.DataFrame]


class _Cells(html.parser.HTMLParser):
    """Collects the cells of each row, and fails where tags are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def test_the_leaderboard_is_a_table(results: Results) -> None:
    comparison = results.compare("quickstart")
    cells = _Cells()
    cells.feed(comparison._repr_html_())
    assert cells.open == [] and len(cells.rows) == 6
    assert cells.rows[0] == ["model", "trials", "seeds", "valid mse", "test mse", "skill", "p", "p to best"]
    assert cells.rows[1][0] == "lstm" and cells.rows[3][0] == "moving_average (baseline)"
    assert "(9 of 9 runs done)" in comparison._repr_html_()


def test_text_and_html_say_the_same(results: Results) -> None:
    comparison = results.compare("quickstart")
    cells = _Cells()
    cells.feed(comparison._repr_html_())
    for row in cells.rows:
        assert all(cell in repr(comparison) for cell in row)


def test_names_are_escaped_and_missing_numbers_are_dashes() -> None:
    row = {
        "model": "x", "label": "<b>x</b>", "baseline": False, "trials": 2, "trials_done": 1, "seeds": 0, "run_ids": [],
        "valid": None, "test": None, "test_spread": None, "skill": None, "p_value": None, "p_value_against_best": None,
    }
    board = {
        "setting": "horizon=<3>", "metric": "mae", "target": "gap_s", "unit": "original", "runs": 2, "done": 1, "failed": 0,
        "complete": False, "models": [row], "of a later version": 1,
    }
    shown = _comparison.Comparison("a<b", [board])._repr_html_()
    assert "<b>" not in shown and "&lt;b&gt;x&lt;/b&gt;" in shown and 'class="best"' not in shown
    assert "a&lt;b: horizon=&lt;3&gt;: mae of gap_s in original units (1 of 2 runs done; runs are to come" in shown
    assert "<td>1 of 2</td><td>-</td><td>-</td><td>-</td>" in shown
