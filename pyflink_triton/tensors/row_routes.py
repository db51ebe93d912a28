"""The models that the rows of a batch name, and the rows that cannot be sent because of what they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Ints, numbers, present
from pyflink_triton.options.options import Options
from pyflink_triton.options.parsers import is_version
from pyflink_triton.options.routes import MOST_BYTES, Route, is_allowed
from pyflink_triton.remedies import Remedy
from pyflink_triton.tensors.batching import split_by

#: Of so many names it is remembered whether rows may give them.
_REMEMBERED = 4096


@dataclass(frozen=True)
class RowRoutes:
    """The routes of the rows of a batch.

    Attributes:
        kinds: What some rows have in common: their route, or why they cannot be sent.
        of_row: The index in ``kinds`` of each row; anything for one that holds a NULL.
    """

    kinds: Sequence[Route | str]
    of_row: Ints

    def sendable(self, rows: Ints, reject: Callable[[Ints, str], None]) -> Ints:
        """Reject rows that name no model that they may name.

        Args:
            rows: Some rows that hold no NULL, ascending.
            reject: Takes rows that cannot be sent, and why.

        Returns:
            The others.
        """
        for place, kind in enumerate(self.kinds):
            if isinstance(kind, str):
                is_bad = self.of_row[rows] == place
                if is_bad.any():
                    reject(rows[is_bad], kind)
                    rows = rows[~is_bad]
        return rows

    def groups(self, rows: Ints) -> Iterator[tuple[Route, Ints]]:
        """Group rows with equal routes.

        Args:
            rows: Some of those that can be sent, ascending.

        Returns:
            Each route, and its rows, ascending.
        """
        if not len(rows):
            return
        for group in split_by(self.of_row[rows], rows):
            route = self.kinds[self.of_row[group[0]]]
            assert isinstance(route, Route)
            yield route, group


class RouteColumns:
    """Reads the routes of rows.

    Args:
        options: The model's options; they have routes.
        columns: Where each column that they refer to is in a batch.
    """

    def __init__(self, options: Options, columns: Mapping[str, int]) -> None:
        self._options = options
        self._model = options.model_column
        self._version = options.version_column
        self._columns = columns
        self._known: dict[tuple[str, str], Route | str] = {}

    def read(self, inputs: pa.RecordBatch) -> RowRoutes:
        """The route of each row of a batch; no loop over rows, but one over what they name."""
        models, of_model = self._values(inputs, self._model, self._options.model_name)
        versions, of_version = self._values(inputs, self._version, self._options.model_version or "latest")
        if len(versions) == 1:
            return RowRoutes([self._kind(model, versions[0]) for model in models], of_model)
        pairs, of_row = np.unique(of_model * len(versions) + of_version, return_inverse=True)
        chosen = [divmod(pair, len(versions)) for pair in pairs.tolist()]
        return RowRoutes([self._kind(models[m], versions[v]) for m, v in chosen], of_row.reshape(-1))

    def _values(self, inputs: pa.RecordBatch, column: str | None, constant: str) -> tuple[list[str], Ints]:
        """The texts that a column holds, each once, and the index of each row's."""
        if column is None:
            return [constant], np.zeros(inputs.num_rows, np.int64)
        encoded = inputs.column(self._columns[column]).dictionary_encode()
        values = encoded.dictionary
        if pa.types.is_integer(values.type):
            values = values.cast(pa.utf8())
        # Bytes that are no text become characters that no name may hold.
        texts = [value.decode("utf-8", "surrogateescape") for value in values.cast(pa.binary()).to_pylist()]
        places = numbers(encoded.indices).astype(np.int64)
        if encoded.indices.null_count:
            places[~present(encoded.indices)] = 0
        return texts or [constant], places

    def _kind(self, model: str, version: str) -> Route | str:
        if len(model) > MOST_BYTES or len(version) > MOST_BYTES:  # a column may hold megabytes
            return self._read(model, version)
        found = self._known.get((model, version))
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[model, version] = self._read(model, version)
        return found

    def _read(self, model: str, version: str) -> Route | str:
        if self._model is not None and not is_allowed(model, self._options.allowed_models):
            return f"column '{self._model}' names no model that 'allowed-models' has. {Remedy.NAME_ALLOWED()}"
        if self._version is not None and version != "latest" and not is_version(version):
            return f"column '{self._version}' names no version of a model. {Remedy.GIVE_VERSION()}"
        return Route(model, None if version == "latest" else version.lstrip("0") or "0")
