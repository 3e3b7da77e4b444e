"""A results folder: experiments, runs, metrics, forecasts and saved models as frames and modules."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ._comparison import Comparison
from ._conditions import sort_conditions
from ._errors import CommandError, ConditionError, MissingDependencyError, OlderStoreError, QueryError, RunFilesError
from ._errors import UsageError
from ._frames import FrameName, Frames, frames
from ._program import StrPath, ask, stream
from ._store import Selection, Store, Table
from ._trials import trials_table

if TYPE_CHECKING:
    import pandas
    import polars

    from ._saved_network import SavedNetwork

F = TypeVar("F")


class Results(Generic[F]):
    """A results folder, read anew with each call. Nothing is ever written.

    Tables are frames of the library that `burstlab.open` was told. Where an experiment is asked for, `NAME` means its latest
    revision, `NAME@2` its second one and `NAME@all` all of them.
    """

    def __init__(self, folder: StrPath, frames: Frames[F]) -> None:
        self._folder = Path(folder)
        self._frames = frames
        self._store = Store(self._folder)

    def __repr__(self) -> str:
        return f"burstlab.open({os.fspath(self._folder)!r})"

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self._folder

    def experiments(self) -> F:
        """One row for each experiment, with the text of its file and the command that ran it last."""
        return self._view("experiments", self._store.read("SELECT * FROM experiments ORDER BY name"))

    def revisions(self, name: str | None = None) -> F:
        """One row for each text that an experiment's file has had, of one experiment or of all.

        Raises:
            OlderStoreError: The store was made before revisions were kept.
            ExperimentNotFoundError: There is no such experiment.
        """
        self._store.require_revisions()
        condition, values = "", list[str]()
        if name is not None:
            condition, values = "WHERE experiment = ?", [self._store.plan(name)[0]]
        sql = f"SELECT * FROM revisions {condition} ORDER BY experiment, revision"
        return self._view("revisions", self._store.read(sql, values))

    def runs(
        self,
        where: str | Sequence[str] | None = None,
        *,
        experiment: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> F:
        """One row for each run of each experiment: the view `runs`.

        Args:
            where: One condition or several, which all must hold: as labels and `burstlab runs --where` write them
                (`learning_rate<1e-3`, `model=lstm`, `lookback in 20,50`), or in SQL on the columns of `runs`
                (`status = 'done' AND wall_s > 10`).
            experiment: Only the runs that this experiment plans.
            since: Only runs that ended since then: an age (`7d`) or a date of UTC (`2026-11-01`).
            until: Only runs that ended until then; a date includes its day.

        Raises:
            ConditionError: A condition that cannot be understood.
            ExperimentNotFoundError: There is no such experiment.
            OlderStoreError: The program, which judges all but conditions in SQL, has to upgrade the store first.
        """
        return self._view("runs", self._runs(where, experiment, since, until))

    def metrics(
        self,
        where: str | Sequence[str] | None = None,
        *,
        experiment: str | None = None,
        since: str | None = None,
        until: str | None = None,
        run: str | None = None,
        part: Literal["train", "valid", "test"] | None = None,
        target: str | None = None,
        unit: Literal["scaled", "original"] | None = None,
        name: str | None = None,
    ) -> F:
        """One row for each metric of a run: `run_id`, `part`, `target`, `unit`, `name` and `value`.

        `where`, `experiment`, `since` and `until` pick runs as in `runs`, and `run` picks one; the others pick metrics.
        """
        conditions, values = ["TRUE"], list[Any]()
        if run is not None:
            conditions.append("run_id = ?")
            values.append(self._store.run_id(run))
        if any(given is not None for given in (where, experiment, since, until)):
            runs = self._runs(where, experiment, since, until)
            conditions.append("run_id IN (SELECT value FROM json_each(?))")
            values.append(json.dumps([record["run_id"] for record in runs.records()]))
        for column, wanted in {"part": part, "target": target, "unit": unit, "name": name}.items():
            if wanted is not None:
                conditions.append(f"{column} = ?")
                values.append(wanted)
        sql = f"SELECT * FROM metrics WHERE {' AND '.join(conditions)} ORDER BY run_id, part, target, unit, name"
        return self._view("metrics", self._store.read(sql, values))

    def trials(self, name: str) -> F:
        """One row for each trial of an experiment, best first: its model, its value on each axis, how many of its runs are
        done, and the experiment's objective on validation and test, as the mean over seeds, with the spread over seeds.

        Raises:
            ExperimentNotFoundError: There is no such experiment.
        """
        experiment, revision = self._store.plan(name)
        # The view `experiments` is of the latest revision, and another revision may have had other axes.
        if revision is None:
            planned = self._store.read("SELECT axes, objective FROM experiments WHERE name = ?", [experiment])
        else:
            sql = "SELECT axes, objective FROM revisions WHERE experiment = ? AND revision = ?"
            planned = self._store.read(sql, [experiment, revision])
        axes, objective = (json.loads(text) for text in planned.rows[0])
        runs = self._select(self._store.selection(name)).records()
        sql = """SELECT run_id, part, value FROM metrics WHERE name = ? AND target = ? AND unit = ?
                 AND run_id IN (SELECT value FROM json_each(?))"""
        unit = objective.get("unit", "scaled")
        run_ids = json.dumps([run["run_id"] for run in runs])
        scores = self._store.read(sql, [objective["metric"], objective["target"], unit, run_ids]).records()
        table, kinds = trials_table(axes, objective["metric"], runs, scores)
        return self._frames.of_rows(table.columns, table.rows, kinds)

    def predictions(self, run: str) -> F:
        """The forecasts of a run beside the observed values: its `predictions.parquet`.

        Args:
            run: The run's identity, or enough of its first characters.

        Raises:
            RunNotFoundError: There is no such run.
            RunFilesError: The run is not done, or its files were removed.
        """
        return self._frames.of_parquet(self._file(run, "predictions.parquet").read_bytes())

    def epochs(self, run: str) -> F:
        """One row for each epoch of a run's training; none for a model that is not trained by gradient descent.

        Raises:
            RunNotFoundError: There is no such run.
        """
        run_id = self._store.run_id(run)
        return self._view("epochs", self._store.read("SELECT * FROM epochs WHERE run_id = ? ORDER BY epoch", [run_id]))

    def model(self, run: str) -> SavedNetwork:
        """The saved model of a run as a `torch.nn.Module` with its weights, in evaluation mode.

        Raises:
            UnsupportedModelError: PyTorch has no such model; `burstlab predict` asks it.
            RunNotFoundError: There is no such run.
            RunFilesError: The run is not done, or its files were removed.
            MissingDependencyError: PyTorch is not installed.
        """
        try:
            import torch  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError.of("torch", "a saved model", extra="torch") from error
        from ._networks import load_network

        return load_network(self._file(run, "model.safetensors").parent)

    def compare(self, name: str) -> Comparison:
        """The leaderboards of an experiment, which a notebook shows as tables: what `burstlab compare` computes.

        Raises:
            ExperimentNotFoundError: There is no such experiment.
        """
        self._store.plan(name)
        return Comparison(name, json.loads(self._ask(["compare", name, "--format", "json"])))

    def query(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> F:
        """The result of one SQL statement that reads, with values for its placeholders.

        Raises:
            QueryError: SQLite does not understand it, or it does not only read.
        """
        table = self._store.query(sql, values)
        return self._frames.of_rows(table.columns, table.rows, {})

    def _view(self, view: str, table: Table) -> F:
        return self._frames.of_rows(table.columns, table.rows, self._store.kinds(view))

    def _runs(
        self, where: str | Sequence[str] | None, experiment: str | None, since: str | None, until: str | None
    ) -> Table:
        columns = self._store.kinds("runs")
        conditions = sort_conditions(where, columns)
        selection = self._store.selection(experiment) if experiment is not None else Selection("TRUE")
        try:
            table = self._select(selection, conditions.sql)
        except QueryError as error:
            raise ConditionError(
                f"{error.__cause__}, in {' and '.join(conditions.sql)}\n  The columns are {', '.join(columns)}. A condition "
                "on a parameter stands alone (where=['hidden=64', ...]), or names its path: params->>'$.model.hidden' = 64"
            ) from error
        if not conditions.labels and since is None and until is None:
            return table
        # The program knows what a parameter is, and that a label rounds its value.
        arguments = ["runs", "--format", "json"]
        for option, value in {"--experiment": experiment, "--since": since, "--until": until}.items():
            arguments += [f"{option}={value}"] if value is not None else []
        arguments += [f"--where={condition}" for condition in conditions.labels]
        try:
            picked = {(run["experiment"], run["run_id"]) for run in json.loads(self._ask(arguments))}
        except UsageError as error:
            raise ConditionError(error.output.strip().removeprefix("error: ")) from error
        id_at, experiment_at = table.columns.index("run_id"), table.columns.index("experiment")
        return Table(table.columns, [row for row in table.rows if (row[experiment_at], row[id_at]) in picked])

    def _ask(self, arguments: Sequence[str]) -> str:
        try:
            return ask(arguments, self._folder)
        except CommandError as error:
            if "older version of burstlab" in error.output:
                # The package reads such a store, but its program does not.
                said = error.output.strip().removeprefix("error: ")
                raise OlderStoreError(f"{said}. Until then conditions in SQL, trials and metrics can be read") from error
            raise

    def _select(self, selection: Selection, conditions: Sequence[str] = ()) -> Table:
        condition = " AND ".join([f"({selection.condition})", *(f"({condition})" for condition in conditions)])
        return self._store.query(f"SELECT * FROM runs WHERE {condition}", selection.values)

    def _file(self, run: str, name: str) -> Path:
        run_id = self._store.run_id(run)
        path = self._folder / "runs" / run_id / name
        if not path.is_file():
            sql = "SELECT status FROM runs WHERE run_id = ?"
            status = self._store.read(sql, [run_id]).rows[0][0]
            reason = "`burstlab run --force` makes it again" if status == "done" else f"the run is {status}"
            raise RunFilesError(f"run {run_id} has no {path}; {reason}")
        return path


@overload
def open_results(results: StrPath | None = None, *, frame: Literal["polars"] = "polars") -> Results[polars.DataFrame]: ...
@overload
def open_results(results: StrPath | None = None, *, frame: Literal["pandas"]) -> Results[pandas.DataFrame]: ...
def open_results(results: StrPath | None = None, *, frame: FrameName = "polars") -> Results[Any]:
    """Opens a results folder for reading.

    Args:
        results: The folder; without it `BURSTLAB_RESULTS`, or `results`, as the program takes it.
        frame: The library whose frames tables are given as.

    Raises:
        StoreNotFoundError: There is no store.
        StoreError: The file is not a store of burstlab.
    """
    return Results(results_folder(results), frames(frame))


@overload
def run_experiment(
    experiment: StrPath, *arguments: str, results: StrPath | None = None, frame: Literal["polars"] = "polars"
) -> Results[polars.DataFrame]: ...
@overload
def run_experiment(
    experiment: StrPath, *arguments: str, results: StrPath | None = None, frame: Literal["pandas"]
) -> Results[pandas.DataFrame]: ...
def run_experiment(
    experiment: StrPath, *arguments: str, results: StrPath | None = None, frame: FrameName = "polars"
) -> Results[Any]:
    """Runs `burstlab run EXPERIMENT ARGUMENTS...`, prints what it prints, and opens the results.

    Args:
        experiment: The experiment file, or a folder of them.
        arguments: Options of `burstlab run`, such as `"--set", "training.epochs=3"`.
        results: The results folder; without it `BURSTLAB_RESULTS`, or `results`.
        frame: The library whose frames tables are given as.

    Raises:
        UsageError: The experiment is invalid; nothing was run.
        RunFailedError: A run failed; the others are recorded.
        ClaimRefutedError: A claim was refuted.
        StoppedError: An interrupt or a budget stopped the sweep; the same call continues it.
        CommandError: Any other error of the program.
    """
    made = frames(frame)
    stream(["run", os.fspath(experiment), *arguments], results)
    return Results(results_folder(results), made)


def results_folder(results: StrPath | None) -> Path:
    """The folder that is given, or the one that the program takes."""
    return Path(os.environ.get("BURSTLAB_RESULTS", "results") if results is None else results)
