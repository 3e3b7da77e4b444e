"""Tables of a real store as frames."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import polars
import pytest

import burstlab

Results = burstlab.Results[polars.DataFrame]


def test_runs_are_those_of_the_view(results: Results, folder: Path) -> None:
    runs = results.runs()
    store = sqlite3.connect(f"{(folder / 'burstlab.db').as_uri()}?mode=ro", uri=True)
    assert runs.rows() == store.execute("SELECT * FROM runs").fetchall()
    assert runs.height == 9 and runs["status"].unique().to_list() == ["done"]


def test_columns_have_the_types_of_the_store_even_where_all_values_are_null(results: Results) -> None:
    schema = results.runs("model=mean").schema
    assert schema["error"] == polars.String and schema["seed"] == polars.Int64 and schema["wall_s"] == polars.Float64


def test_an_empty_table_has_its_columns(results: Results) -> None:
    assert results.runs("status=failed").columns == results.runs().columns
    assert results.epochs(results.runs("model=mean")["run_id"][0]).height == 0


def test_experiments_hold_the_text_of_the_file(results: Results) -> None:
    experiments = results.experiments()
    assert experiments["name"].to_list() == ["quickstart"]
    assert "[models.lstm]" in experiments["text"][0]


def test_metrics_are_picked_by_their_runs_and_by_their_own_columns(results: Results) -> None:
    metrics = results.metrics("model=lstm", part="test", target="all", unit="scaled", name="mse")
    assert metrics.height == 2
    run_ids = set(results.runs("model=lstm")["run_id"])
    assert set(metrics["run_id"]) == run_ids
    one = results.metrics(run=next(iter(run_ids))[:10], part="test")
    assert one["run_id"].n_unique() == 1 and one.height > 50
    assert results.metrics(experiment="quickstart").height == results.metrics().height


def test_trials_agree_with_the_leaderboard(results: Results) -> None:
    trials = results.trials("quickstart")
    assert trials.columns[:4] == ["model", "model.per_channel", "runs", "done"]
    # Nine runs: three baselines, two trials of dlinear with two seeds each, one lstm with two seeds.
    assert trials["runs"].to_list() == trials["done"].to_list() and trials["runs"].sum() == 9 and trials.height == 6
    assert trials["valid_mse"].is_sorted()
    best = results.compare("quickstart").leaderboards[0].models[0]
    row = trials.filter(polars.col("model") == best.model).row(0, named=True)
    assert row["test_mse"] == pytest.approx(best.test, rel=1e-12)
    assert row["test_mse_spread"] == pytest.approx(best.test_spread, rel=1e-9)
    assert set(row["run_ids"].split(",")) == set(best.run_ids)


def test_predictions_give_the_error_that_the_store_has(results: Results) -> None:
    run = results.runs("model=lstm")["run_id"][0]
    predictions = results.predictions(run[:8])
    test = predictions.filter(polars.col("part") == "test")
    error = test.select((polars.col("request_tokens_forecast") - polars.col("request_tokens_actual")).abs().mean())
    stored = results.metrics(run=run, part="test", target="request_tokens", unit="original", name="mae")
    assert error.item() == pytest.approx(stored["value"][0], rel=1e-6)


def test_epochs_are_in_order(results: Results) -> None:
    epochs = results.epochs(results.runs("model=lstm")["run_id"][0])
    assert epochs["epoch"].to_list() == list(range(1, epochs.height + 1)) and epochs["train_loss"].dtype == polars.Float64


def test_a_query_takes_values_and_tells_columns_of_one_name_apart(results: Results) -> None:
    found = results.query("SELECT model, count(*) FROM runs WHERE model = ? GROUP BY 1", ["lstm"])
    assert found.rows() == [("lstm", 2)]
    assert results.query("SELECT 1 AS a, 2 AS a").columns == ["a", "a_2"]
    assert results.query("WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t LIMIT 3) SELECT i FROM t").height == 3


def test_a_query_may_give_values_of_several_types(results: Results) -> None:
    found = results.query("SELECT 1 AS a UNION ALL SELECT 2.5")
    assert found["a"].to_list() == [1.0, 2.5]
    assert results.query("SELECT 1 AS a UNION ALL SELECT 'x'")["a"].to_list() == ["1", "x"]


def test_pandas_gets_the_same(results: Results, folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    in_pandas = burstlab.open(folder, frame="pandas")
    runs = in_pandas.runs()
    assert isinstance(runs, pandas.DataFrame)
    assert runs["run_id"].tolist() == results.runs()["run_id"].to_list()
    assert str(runs["seed"].dtype) == "Int64" and runs["seed"].isna().sum() == 3
    run = results.runs("model=lstm")["run_id"][0]
    assert in_pandas.predictions(run).shape == results.predictions(run).shape
    assert in_pandas.trials("quickstart").shape == results.trials("quickstart").shape


def test_nothing_is_written(results: Results, folder: Path) -> None:
    before = _stamps(folder)
    results.runs("model=lstm", since="7d")
    results.trials("quickstart")
    results.compare("quickstart")
    results.query("SELECT 1")
    assert _stamps(folder) == before


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    # SQLite keeps the locks of readers in the file `-shm`.
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into every folder")
def test_a_folder_that_cannot_be_written_is_read(folder: Path, tmp_path: Path) -> None:
    store = sqlite3.connect(folder / "burstlab.db")
    store.execute("VACUUM INTO ?", [str(tmp_path / "burstlab.db")])
    tmp_path.chmod(0o500)
    try:
        assert burstlab.open(tmp_path).runs().height == 9
    finally:
        tmp_path.chmod(0o700)


def test_an_older_store_is_read(older_store: Path) -> None:
    results = burstlab.open(older_store)
    assert results.runs(experiment="exp").height == 3
    assert results.trials("exp")["model.hidden"].to_list() == [8, 16, 32]
    with pytest.raises(burstlab.OlderStoreError, match="burstlab run"):
        results.revisions()
    with pytest.raises(burstlab.OlderStoreError, match="kept no revisions"):
        results.runs(experiment="exp@1")


def test_an_experiment_means_its_latest_revision(revised_store: Path) -> None:
    results = burstlab.open(revised_store)

    def runs(experiment: str) -> list[str]:
        return results.runs(experiment=experiment)["run_id"].to_list()

    assert runs("exp") == runs("exp@2") == ["aa02", "bb01"]
    assert runs("exp@1") == ["aa01", "aa02"]
    assert runs("exp@all") == ["aa01", "aa02", "bb01"]
    assert results.trials("exp@1")["model.hidden"].to_list() == [8, 16]
    assert results.revisions("exp")["revision"].to_list() == [1, 2] == results.revisions()["revision"].to_list()
