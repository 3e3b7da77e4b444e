"""The store, opened for reading only: `burstlab.db` of a results folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import ExperimentNotFoundError, OlderStoreError, QueryError, RunNotFoundError, StoreError
from ._errors import StoreNotFoundError, known_names
from ._frames import Kind

# How long a reader waits where a writer has the file for itself, which takes a moment.
_BUSY_S = 60.0
# Everything else, such as ATTACH, VACUUM INTO and PRAGMA, is refused: a query reads this file and nothing else.
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_KINDS: Mapping[str, Kind] = {"TEXT": "text", "INTEGER": "integer", "REAL": "real"}
# Columns that a view computes, for which SQLite knows no type.
_COMPUTED: Mapping[str, Kind] = {"device": "text", "attempts": "integer", "revisions": "text", "tags": "text"}


@dataclass(frozen=True)
class Table:
    """The result of a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Each row by the names of its columns."""
        return [dict(zip(self.columns, row)) for row in self.rows]


@dataclass(frozen=True)
class Selection:
    """Which runs of the store are meant: a condition in SQL on the view `runs`, and its values."""

    condition: str
    values: tuple[Any, ...] = ()


class Store:
    """A store that is opened anew for each query, so that no reader holds a sweep's log open."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.path = results / "burstlab.db"
        if results.is_file():
            raise StoreNotFoundError(f"{results} is a file; give the results folder, {results.parent}")
        if not self.path.is_file():
            raise StoreNotFoundError(
                f"there is no store at {self.path}; run an experiment first, or name the results folder: "
                "burstlab.open('path/to/results')"
            )
        # The schema of a store of burstlab, whatever its version.
        if not {"runs", "metrics", "epochs", "experiments"} <= self.names():
            raise StoreError(f"{self.path} is not a store of burstlab")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if not self.path.is_file():
            raise StoreNotFoundError(f"the store {self.path} is gone")
        # A path as a URI: it may hold `?`, `#`, `%` and spaces.
        uri = self.path.absolute().as_uri()
        connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=_BUSY_S)
        try:
            if not _opens(connection) and not self._has_log():
                # In a folder that cannot be written SQLite has no place for its locks; but then nobody can write to the
                # file either, and without a log beside it the file is all there is.
                connection.close()
                connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True)
            connection.execute("PRAGMA query_only = ON")
            yield connection
        finally:
            connection.close()

    def _has_log(self) -> bool:
        log = self.path.with_name(self.path.name + "-wal")
        return log.is_file() and log.stat().st_size > 0

    def names(self) -> set[str]:
        """The tables and views of the store."""
        return {name for (name,) in self.read("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").rows}

    def read(self, sql: str, values: Sequence[Any] = ()) -> Table:
        """The result of a query of this package.

        Raises:
            StoreError: The file is damaged, or no SQLite file.
        """
        try:
            with self._connection() as connection:
                return _fetch(connection, sql, values)
        except sqlite3.Error as error:
            raise StoreError(f"cannot read the store {self.path}: {error}") from error

    def query(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Table:
        """The result of a query that somebody wrote.

        Raises:
            QueryError: SQLite does not understand it, or it does not only read.
        """
        try:
            with self._connection() as connection:
                connection.set_authorizer(_authorize)
                return _fetch(connection, sql, values)
        except (sqlite3.Error, sqlite3.Warning) as error:
            reason = "it must be one statement that reads" if _is_refusal(error) else str(error)
            raise QueryError(f"the query failed: {reason}\n  {sql.strip()}") from error

    def kinds(self, view: str) -> dict[str, Kind]:
        """The types of a view's columns."""
        declared = self.read("SELECT name, type FROM pragma_table_info(?)", [view]).rows
        found = {name: _KINDS.get(kind.upper(), _COMPUTED.get(name)) for name, kind in declared}
        return {name: kind for name, kind in found.items() if kind is not None}

    def has_revisions(self) -> bool:
        """Whether the store keeps the revisions of experiments."""
        return "revisions" in self.names()

    def require_revisions(self) -> None:
        """Checks that the store keeps the revisions of experiments.

        Raises:
            OlderStoreError: It was made before they were kept.
        """
        if not self.has_revisions():
            raise OlderStoreError(
                f"{self.path} was made by a version of burstlab that kept no revisions; the next `burstlab run` of this "
                "version upgrades it"
            )

    def experiments(self) -> list[str]:
        """The names of the experiments."""
        return [name for (name,) in self.read("SELECT name FROM experiments ORDER BY name").rows]

    def plan(self, experiment: str) -> tuple[str, int | None]:
        """The name and the revision that `NAME`, `NAME@2` or `NAME@all` means; the revision is None where all are meant.

        Raises:
            ExperimentNotFoundError: There is no such experiment or revision.
            OlderStoreError: A revision is named, and the store keeps none.
        """
        names = self.experiments()
        if experiment in names:
            return experiment, self._latest(experiment)
        name, at, revision = experiment.rpartition("@")
        if not at or name not in names:
            asked = name if at else experiment
            raise ExperimentNotFoundError(f"no experiment `{asked}` in {self.path}; {known_names(asked, names)}")
        self.require_revisions()
        if revision == "all":
            return name, None
        sql = "SELECT revision FROM revisions WHERE experiment = ? ORDER BY revision"
        known = [str(found) for (found,) in self.read(sql, [name]).rows]
        if revision not in known:
            raise ExperimentNotFoundError(
                f"`{name}` has no revision `{revision}` in {self.path}; it has {', '.join(known)} and `all`"
            )
        return name, int(revision)

    def _latest(self, experiment: str) -> int | None:
        if not self.has_revisions():
            return None
        found = self.read("SELECT revision FROM experiments WHERE name = ?", [experiment]).rows
        return int(found[0][0])

    def selection(self, experiment: str) -> Selection:
        """The runs that an experiment plans.

        Raises:
            ExperimentNotFoundError: There is no such experiment or revision.
        """
        name, revision = self.plan(experiment)
        if revision is None:
            return Selection("experiment = ?", (name,))
        planned = "SELECT run_id FROM revision_runs WHERE experiment = ? AND revision = ? AND position IS NOT NULL"
        return Selection(f"experiment = ? AND run_id IN ({planned})", (name, name, revision))

    def run_id(self, run: str) -> str:
        """The identity of the run that begins with some characters.

        Raises:
            RunNotFoundError: There is none, or more than one.
        """
        known = [run_id for (run_id,) in self.read("SELECT DISTINCT run_id FROM runs").rows]
        found = [run_id for run_id in known if run and run_id.startswith(run)]
        if len(found) == 1 or run in found:
            return run if run in found else found[0]
        if found:
            raise RunNotFoundError(f"{len(found)} runs in {self.path} begin with `{run}`: {', '.join(sorted(found))}")
        raise RunNotFoundError(f"no run `{run}` in {self.path}; {known_names(run, known)}")


def _opens(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        # The extended code is SQLITE_CANTOPEN or one of its kinds; anything else is told by the query.
        return error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
    except sqlite3.DatabaseError:
        return True
    return True


def _fetch(connection: sqlite3.Connection, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> Table:
    cursor = connection.execute(sql, values)
    return Table(_distinct([column[0] for column in cursor.description or []]), cursor.fetchall())


def _authorize(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _is_refusal(error: Exception) -> bool:
    refused = {sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY}
    return getattr(error, "sqlite_errorcode", None) in refused or "one statement at a time" in str(error)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names of columns, told apart where a query gives one twice: `value`, `value_2`."""
    found: list[str] = []
    for name in names:
        other, count = name, 1
        while other in found:
            count += 1
            other = f"{name}_{count}"
        found.append(other)
    return found
