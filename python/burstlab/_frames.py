"""Tables as polars or pandas frames."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from ._errors import MissingDependencyError

if TYPE_CHECKING:
    import pandas
    import polars

F_co = TypeVar("F_co", covariant=True)

Kind = Literal["text", "integer", "real"]
FrameName = Literal["polars", "pandas"]

class Frames(Protocol[F_co]):
    """Makes frames of one library."""

    def of_rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], kinds: Mapping[str, Kind]) -> F_co:
        """A frame of rows; columns that `kinds` does not name get the type of their values."""
        ...

    def of_parquet(self, data: bytes) -> F_co:
        """A frame of the bytes of a Parquet file."""
        ...


class PolarsFrames:
    """Makes polars frames."""

    def of_rows(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]], kinds: Mapping[str, Kind]
    ) -> polars.DataFrame:
        library = _polars()
        types: Mapping[Kind, Any] = {"text": library.String, "integer": library.Int64, "real": library.Float64}
        frame: polars.DataFrame = library.DataFrame(
            rows,
            schema=list(columns),
            schema_overrides={name: types[kinds[name]] for name in columns if name in kinds},
            orient="row",
            infer_schema_length=None,
            # SQLite gives a column values of several types where a query asks for that: they become text.
            strict=False,
        )
        return frame

    def of_parquet(self, data: bytes) -> polars.DataFrame:
        # Bytes, and not a path: polars takes `*`, `?` and `[` in a path for a pattern.
        frame: polars.DataFrame = _polars().read_parquet(io.BytesIO(data))
        return frame


class PandasFrames:
    """Makes pandas frames."""

    def of_rows(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]], kinds: Mapping[str, Kind]
    ) -> pandas.DataFrame:
        library = _pandas()
        # Whole numbers of a column with gaps stay whole numbers: Int64 knows missing values.
        types: Mapping[Kind, str] = {"text": "object", "integer": "Int64", "real": "float64"}
        frame: pandas.DataFrame = library.DataFrame.from_records(list(rows), columns=list(columns))
        return frame.astype({name: types[kinds[name]] for name in columns if name in kinds})

    def of_parquet(self, data: bytes) -> pandas.DataFrame:
        library = _pandas()
        try:
            frame: pandas.DataFrame = library.read_parquet(io.BytesIO(data))
            return frame
        except ImportError as error:
            raise MissingDependencyError.of("pyarrow", "reading Parquet into pandas", extra="pandas") from error


def _polars() -> Any:
    try:
        import polars
    except ImportError as error:
        otherwise = ", or ask for pandas: burstlab.open(..., frame='pandas')"
        raise MissingDependencyError.of("polars", "a table", extra="polars", otherwise=otherwise) from error
    return polars


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError.of("pandas", "a table with frame='pandas'", extra="pandas") from error
    return pandas


def frames(name: str) -> Frames[Any]:
    """The frames of a library."""
    if name == "polars":
        return PolarsFrames()
    if name == "pandas":
        return PandasFrames()
    raise ValueError(f"frame must be 'polars' or 'pandas', got {name!r}")
