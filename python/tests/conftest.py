"""Results that the program really made, in a folder whose name a URI would misread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars
import pytest

import burstlab

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "experiments" / "quickstart.toml"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the quickstart."""
    folder = tmp_path_factory.mktemp("python") / "my results? 100 % #1 [a*]"
    burstlab.run(QUICKSTART, results=folder)
    return folder


@pytest.fixture
def results(folder: Path) -> burstlab.Results[polars.DataFrame]:
    return burstlab.open(folder)


# What the tests below need of the tables of a store, without its program.
_TABLES = """
CREATE TABLE run_rows (run_id TEXT, experiment TEXT, model TEXT, seed INTEGER, status TEXT, params TEXT) STRICT;
CREATE VIEW runs AS SELECT * FROM run_rows;
CREATE TABLE metrics (run_id TEXT, part TEXT, target TEXT, unit TEXT, name TEXT, value REAL) STRICT;
CREATE TABLE epochs (run_id TEXT, epoch INTEGER) STRICT;
INSERT INTO run_rows VALUES
  ('aa01', 'exp', 'lstm', 1, 'done', '{"model":{"kind":"lstm","hidden":8}}'),
  ('aa02', 'exp', 'lstm', 1, 'done', '{"model":{"kind":"lstm","hidden":16}}'),
  ('bb01', 'exp', 'lstm', 1, 'done', '{"model":{"kind":"lstm","hidden":32}}');
INSERT INTO metrics SELECT run_id, part, 'all', 'scaled', 'mse', 1.0 FROM run_rows,
  (SELECT 'valid' AS part UNION SELECT 'test');
"""
_OBJECTIVE = '{"metric":"mse","part":"valid","target":"all"}'


@pytest.fixture
def older_store(tmp_path: Path) -> Path:
    """A store that keeps no revisions."""
    with _store(tmp_path) as store:
        store.execute("CREATE TABLE experiments (name TEXT, axes TEXT, objective TEXT, updated_at TEXT) STRICT")
        store.execute("INSERT INTO experiments VALUES ('exp', '[\"model.hidden\"]', ?, '')", [_OBJECTIVE])
    return tmp_path


@pytest.fixture
def revised_store(tmp_path: Path) -> Path:
    """A store whose experiment has two revisions: hidden was 8 and 16, and is 16 and 32."""
    with _store(tmp_path) as store:
        store.executescript(
            """
            CREATE TABLE revisions (experiment TEXT, revision INTEGER, axes TEXT, objective TEXT, updated_at TEXT) STRICT;
            CREATE TABLE revision_runs (experiment TEXT, revision INTEGER, run_id TEXT, position INTEGER) STRICT;
            CREATE VIEW experiments AS SELECT experiment AS name, axes, objective, max(updated_at) AS updated_at, revision
              FROM revisions GROUP BY experiment;
            INSERT INTO revision_runs VALUES ('exp', 1, 'aa01', 0), ('exp', 1, 'aa02', 1), ('exp', 2, 'aa02', 0),
              ('exp', 2, 'bb01', 1), ('exp', 2, 'aa01', NULL);
            """
        )
        for revision in (1, 2):
            row = ["exp", revision, '["model.hidden"]', _OBJECTIVE, f"2026-11-0{revision}"]
            store.execute("INSERT INTO revisions VALUES (?, ?, ?, ?, ?)", row)
    return tmp_path


@contextmanager
def _store(folder: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(folder / "burstlab.db")
    connection.executescript(_TABLES)
    yield connection
    connection.commit()
    connection.close()
