"""burstlab from Python: run experiments, and read what they gave.

>>> import burstlab
>>> results = burstlab.run("experiments/quickstart.toml")
>>> results.compare("quickstart")
>>> results.runs("model=lstm")
"""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version

from ._comparison import Comparison, Leaderboard, LeaderboardRow
from ._errors import (
    BinaryNotFoundError,
    BurstlabError,
    ClaimRefutedError,
    CommandError,
    ConditionError,
    ExperimentNotFoundError,
    MissingDependencyError,
    OlderStoreError,
    QueryError,
    RunFailedError,
    RunFilesError,
    RunNotFoundError,
    StoppedError,
    StoreError,
    StoreNotFoundError,
    UnsupportedModelError,
    UsageError,
)
from ._program import find_program
from ._results import Results
from ._results import open_results as open
from ._results import run_experiment as run

try:
    __version__ = _version("burstlab")
except PackageNotFoundError:
    # A source tree that is on the path without being installed.
    __version__ = "0+source"

__all__ = [
    "BinaryNotFoundError",
    "BurstlabError",
    "ClaimRefutedError",
    "CommandError",
    "Comparison",
    "ConditionError",
    "ExperimentNotFoundError",
    "Leaderboard",
    "LeaderboardRow",
    "MissingDependencyError",
    "OlderStoreError",
    "QueryError",
    "Results",
    "RunFailedError",
    "RunFilesError",
    "RunNotFoundError",
    "StoppedError",
    "StoreError",
    "StoreNotFoundError",
    "UnsupportedModelError",
    "UsageError",
    "__version__",
    "find_program",
    "open",
    "run",
]
