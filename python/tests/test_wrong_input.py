"""Every mistake gets an error that names the place and the remedy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars
import pytest

import burstlab

Results = burstlab.Results[polars.DataFrame]


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(burstlab.StoreNotFoundError, match=r"there is no store at .*burstlab\.db; run an experiment first"):
        burstlab.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_the_store_is_not_its_folder(folder: Path) -> None:
    with pytest.raises(burstlab.StoreNotFoundError, match="is a file; give the results folder"):
        burstlab.open(folder / "burstlab.db")


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_another_file_is_not_a_store(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "burstlab.db").write_bytes(content)
    with pytest.raises(burstlab.StoreError, match=r"burstlab\.db"):
        burstlab.open(tmp_path)


def test_a_store_that_was_removed_is_told(older_store: Path) -> None:
    results = burstlab.open(older_store)
    (older_store / "burstlab.db").unlink()
    with pytest.raises(burstlab.StoreNotFoundError, match="is gone"):
        results.runs()


def test_frames_of_another_library_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="'polars' or 'pandas', got 'arrow'"):
        burstlab.open(folder, frame="arrow")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "call",
    [
        lambda results: results.runs(experiment="quikstart"),
        lambda results: results.metrics(experiment="quikstart"),
        lambda results: results.trials("quikstart"),
        lambda results: results.compare("quikstart"),
        lambda results: results.compare("quikstart@2"),
    ],
)
def test_an_unknown_experiment_gets_the_nearest_one(results: Results, call: Callable[[Results], Any]) -> None:
    with pytest.raises(burstlab.ExperimentNotFoundError, match="no experiment `quikstart` in .* did you mean `quickstart`"):
        call(results)


def test_an_unknown_revision_is_told_with_those_there_are(revised_store: Path) -> None:
    with pytest.raises(burstlab.ExperimentNotFoundError, match="has no revision `7` in .*; it has 1, 2 and `all`"):
        burstlab.open(revised_store).runs(experiment="exp@7")


@pytest.mark.parametrize("method", ["predictions", "epochs", "model"])
def test_an_unknown_run_is_told(results: Results, method: str) -> None:
    if method == "model":
        pytest.importorskip("torch")
    with pytest.raises(burstlab.RunNotFoundError, match="no run `zzzz` in .*; it has: "):
        getattr(results, method)("zzzz")


def test_the_beginning_of_several_runs_is_refused(older_store: Path) -> None:
    with pytest.raises(burstlab.RunNotFoundError, match="2 runs in .* begin with `aa`: aa01, aa02"):
        burstlab.open(older_store).epochs("aa")


def test_a_run_without_files_says_how_to_get_them(older_store: Path) -> None:
    with pytest.raises(burstlab.RunFilesError, match=r"run aa01 has no .*predictions\.parquet; .*--force"):
        burstlab.open(older_store).predictions("aa01")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("hiden=16", "did you mean|no run has a parameter `hiden`"),
        ("hidden = 16 AND model = 'lstm'", r"no such column: hidden.*\n.*where=\['hidden=64'"),
        ("model = 'lstm' AND", "syntax error|incomplete input"),
        ("started_at>2026-11-01", "put its value in quotes: started_at ... '2026-11-01'"),
        ("", "a condition is empty"),
        (["model=lstm", " "], "a condition is empty"),
        ("1); DROP TABLE run_records; --", "one statement|syntax error"),
    ],
)
def test_a_condition_that_cannot_be_understood_is_told(results: Results, where: Any, message: str) -> None:
    with pytest.raises(burstlab.ConditionError, match=message):
        results.runs(where)


def test_a_time_that_cannot_be_understood_is_told(results: Results) -> None:
    with pytest.raises(burstlab.ConditionError, match="--since soon: this is neither an age nor a date"):
        results.runs(since="soon")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM runs",
        "UPDATE run_records SET model = 'x'",
        "ATTACH '/tmp/other.db' AS other",
        "VACUUM INTO '/tmp/copy.db'",
        "PRAGMA query_only = OFF",
        "SELECT 1; SELECT 2",
    ],
)
def test_a_query_that_does_not_only_read_is_refused(results: Results, sql: str) -> None:
    with pytest.raises(burstlab.QueryError, match="one statement that reads"):
        results.query(sql)


def test_a_query_that_sqlite_does_not_understand_is_told(results: Results) -> None:
    with pytest.raises(burstlab.QueryError, match="no such column: modell"):
        results.query("SELECT modell FROM runs")


@pytest.mark.parametrize(
    ("module", "extra"), [("polars", "polars"), ("pandas", "pandas"), ("pyarrow", "pandas"), ("torch", "torch")]
)
def test_a_missing_library_is_told_with_the_extra_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    results: Any = burstlab.open(folder) if extra in ("polars", "torch") else burstlab.open(folder, frame="pandas")
    run = next(path.name for path in (folder / "runs").iterdir())
    if module == "pyarrow":
        pytest.importorskip("pandas")
        monkeypatch.setitem(sys.modules, "fastparquet", None)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(burstlab.MissingDependencyError, match=rf"pip install 'burstlab\[{extra}\]'"):
        if module == "torch":
            results.model(run)
        else:
            results.predictions(run)


def test_reading_and_comparing_need_no_library_but_for_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("polars", "pandas", "torch"):
        monkeypatch.setitem(sys.modules, module, None)
    assert "lstm" in repr(burstlab.open(folder).compare("quickstart"))
