"""The errors of the package. Each message names the place and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BurstlabError(Exception):
    """Base of all errors of this package."""


class StoreNotFoundError(BurstlabError):
    """There is no store at the given place."""


class StoreError(BurstlabError):
    """The store cannot be read."""


class OlderStoreError(StoreError):
    """The store was made by a version of burstlab that did not record what was asked for."""


class ExperimentNotFoundError(BurstlabError):
    """The store has no such experiment, or the experiment has no such revision."""


class RunNotFoundError(BurstlabError):
    """The store has no such run, or several runs begin with what was given."""


class RunFilesError(BurstlabError):
    """The files of a run are missing or damaged."""


class ConditionError(BurstlabError):
    """A condition on runs cannot be understood."""


class QueryError(BurstlabError):
    """SQLite refused a query."""


class UnsupportedModelError(BurstlabError):
    """A saved model cannot be expressed as a PyTorch module."""


class MissingDependencyError(BurstlabError, ImportError):
    """An optional dependency is not installed."""

    @classmethod
    def of(cls, module: str, purpose: str, *, extra: str, otherwise: str = "") -> MissingDependencyError:
        return cls(f"{purpose} needs {module}, which is not installed: pip install 'burstlab[{extra}]'{otherwise}")


class BinaryNotFoundError(BurstlabError):
    """The burstlab program is not installed."""


class CommandError(BurstlabError):
    """The burstlab program ended with an exit code other than 0; see `exit_code`, `meaning` and `output`."""

    meaning = "any other error, also an output that could not be written"

    def __init__(self, command: str, exit_code: int, output: str) -> None:
        self.command = command
        """The command, as a shell would read it."""
        self.exit_code = exit_code
        """The exit code; negative where a signal ended the program."""
        self.output = output
        """What the program printed."""
        if exit_code < 0:
            self.meaning = f"signal {-exit_code} ended the program"
        said = f"\n{output.rstrip()}" if output.strip() else ""
        super().__init__(f"`{command}` ended with exit code {exit_code}: {self.meaning}{said}")


class UsageError(CommandError):
    """Exit code 2."""

    meaning = "invalid usage or an invalid experiment file; nothing was run"


class RunFailedError(CommandError):
    """Exit code 3."""

    meaning = "a run failed; the others are recorded"


class ClaimRefutedError(CommandError):
    """Exit code 4."""

    meaning = "a claim was refuted"


class StoppedError(CommandError):
    """Exit code 5."""

    meaning = "stopped by a signal, or a budget was used up; the same command continues"


COMMAND_ERRORS: dict[int, type[CommandError]] = {
    2: UsageError,
    3: RunFailedError,
    4: ClaimRefutedError,
    5: StoppedError,
}


def known_names(name: str, known: Iterable[str], *, most: int = 8) -> str:
    """The end of a message about an unknown name: the nearest one, and what there is."""
    names = sorted(known)
    if not names:
        return "there is none yet"
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean `{nearest[0]}`? " if nearest else ""
    listed = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    return f"{hint}it has: {listed}"
