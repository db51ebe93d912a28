"""Arrow columns that do not pass through pandas, exactly as PyFlink's worker reads and writes them on the wire.

PyFlink turns each Arrow column into a pandas Series, and there an INT with NULLs becomes a float. In a worker that runs
a function of this package, each Series also carries the column that it was made of; other functions see no change.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from pyflink.table import utils
from pyflink.table.types import BigIntType, RowField, RowType

from pyflink_triton.table.compat import PYFLINK

_COLUMN = "_triton_column"
_LAST_READ = threading.local()
#: PyFlink's coders of rows and the streams that they write to: in pure Python, and in C where it is built.
_SLOW = ("pyflink.fn_execution.coder_impl_slow", "pyflink.fn_execution.stream_slow")
_FAST = ("pyflink.fn_execution.coder_impl_fast", "pyflink.fn_execution.stream_fast")
#: Stands for columns where it is tried whether a coder writes by way of ``_write``.
_PROBE: list[Any] = []


class _Reached(Exception):
    """The probe came to ``_write``."""


def install() -> None:
    """Let the columns that this process reads and writes be exact; safe to call again.

    Raises:
        JobError: PyFlink reads or writes columns in another way than is known.
    """
    PYFLINK.function(utils, "arrow_to_pandas", "timezone", "field_types", "batches")
    PYFLINK.function(utils, "pandas_to_arrow", "schema", "timezone", "field_types", "series")
    in_use = PYFLINK.member(PYFLINK.module("pyflink.fn_execution.coders"), "coder_impl").__name__
    for coders, streams in {_SLOW, _FAST} if in_use == _FAST[0] else {_SLOW}:
        module = PYFLINK.module(coders)
        PYFLINK.function(module, "arrow_to_pandas", "timezone", "field_types", "batches")
        PYFLINK.function(module, "pandas_to_arrow", "schema", "timezone", "field_types", "series")
        module.arrow_to_pandas = _read
        module.pandas_to_arrow = _write
        if not _writes_here(module, PYFLINK.module(streams)):
            raise PYFLINK.refused(f"{coders}.ArrowCoderImpl does not write columns by pandas_to_arrow")


def _writes_here(coders: Any, streams: Any) -> bool:
    schema, types = pa.schema([("x", pa.int64())]), RowType([RowField("x", BigIntType())])
    try:
        coders.ArrowCoderImpl(schema, types, "UTC").encode_to_stream(_PROBE, streams.OutputStream())
    except _Reached:
        return True
    except Exception as error:
        raise PYFLINK.refused(f"{coders.__name__}.ArrowCoderImpl cannot be used as before ({error!r})") from error
    return False


def _read(timezone: str, field_types: Sequence[Any], batches: Sequence[pa.RecordBatch]) -> list[Any]:
    series: list[Any] = utils.arrow_to_pandas(timezone, field_types, batches)
    for index, each in enumerate(series):
        object.__setattr__(each, _COLUMN, [batch.column(index) for batch in batches])
    _LAST_READ.rows = sum(batch.num_rows for batch in batches)
    return series


def _write(schema: pa.Schema, timezone: str, field_types: Sequence[Any], series: Sequence[Any]) -> pa.RecordBatch:
    if series is _PROBE:
        raise _Reached
    arrays = []
    for field, type_, each in zip(schema, field_types, series, strict=True):
        array = _exact(each, field.type)
        if array is None:
            array = utils.pandas_to_arrow(pa.schema([field]), timezone, [type_], [each]).column(0)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def rows_read() -> int:
    """How many rows this thread read last, which are those of a call without any column.

    Raises:
        JobError: PyFlink's worker read them in another way than is known.
    """
    rows = getattr(_LAST_READ, "rows", None)
    if rows is None:
        raise PYFLINK.refused("its worker did not read rows by arrow_to_pandas in the thread that runs functions")
    return int(rows)


def column_of(series: Any) -> pa.Array:
    """The Arrow column that PyFlink's worker made a Series of.

    Raises:
        JobError: It was made in another way than is known: an INT with NULLs may have become a float there.
    """
    chunks = getattr(series, _COLUMN, None)
    if chunks is None:
        raise PYFLINK.refused("its worker did not read a column by arrow_to_pandas")
    return _joined(chunks)


def answered(series: Any) -> pa.Array | None:
    """The Arrow column of a Series that a function of this package answered; None for another function's."""
    is_arrow = isinstance(series, pd.Series) and isinstance(series.dtype, pd.ArrowDtype)
    return _joined(series.array.__arrow_array__().chunks) if is_arrow else None


def answered_type(series: Any, declared: pa.DataType) -> pa.DataType:
    """The type of what another Python function answered: where text is declared it may be bytes."""
    values = series.dropna()
    given = pa.infer_type(values.iloc[:1]) if len(values) else declared
    return given if _is_bytes_for_text(given, declared) else declared


def _is_bytes_for_text(given: pa.DataType, declared: pa.DataType) -> bool:
    if pa.types.is_list(given) and pa.types.is_list(declared):
        return _is_bytes_for_text(given.value_type, declared.value_type)
    return bool(pa.types.is_binary(given) and pa.types.is_string(declared))


def to_series(column: pa.Array) -> Any:
    """Make a Series of an Arrow column, which is written unchanged."""
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([column])))


def to_frame(columns: Sequence[pa.Array], names: Sequence[str]) -> Any:
    """Make the DataFrame that stands for a ROW of Arrow columns."""
    return pd.DataFrame({name: to_series(column) for name, column in zip(names, columns, strict=True)}, copy=False)


def from_series(series: Any, type_: pa.DataType) -> pa.Array:
    """Make an Arrow column of a Series that another Python function answered."""
    exact = _exact(series, type_)
    return pa.Array.from_pandas(series, mask=series.isnull(), type=type_) if exact is None else exact


def _exact(series: Any, type_: pa.DataType) -> pa.Array | None:
    """The Arrow column of a Series or a DataFrame that holds Arrow columns; None for others."""
    if isinstance(series, pd.DataFrame):
        fields = [_exact(series[name], field.type) for name, field in zip(series.columns, type_, strict=True)]
        if any(field is None for field in fields):
            return None
        return pa.StructArray.from_arrays(fields, fields=list(type_))
    column = answered(series)
    return column if column is None or column.type == type_ else column.cast(type_)


def _joined(chunks: Sequence[pa.Array]) -> pa.Array:
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
