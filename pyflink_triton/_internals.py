"""Code inside other libraries: it is compared with what is known before it is used, and refused where it differs."""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from pyflink_triton.errors import JobError
from pyflink_triton.remedies import Remedy


@dataclass(frozen=True)
class Library:
    """A library of which this package uses more than its documentation promises; docs/compat.md lists each use.

    Attributes:
        name: What people call it.
        tested: The newest version that was tested, as pip takes it.
    """

    name: str
    tested: str

    def refused(self, found: str) -> JobError:
        """Make the error for code that is not as it is known.

        Args:
            found: What differs, as a clause.
        """
        return JobError(
            f"{self.name} {self._version()} in {sys.executable} differs from the versions that pyflink_triton was "
            f"tested with: {found}. {Remedy.INSTALL_TESTED(requirement=self.tested)}"
        )

    def older(self, does: str, remedy: str) -> JobError:
        """Make the error for an older version, which is known to do less.

        Args:
            does: What it lacks, as the rest of a clause.
            remedy: What to do.
        """
        return JobError(f"{self.name} {self._version()} in {sys.executable} {does}. {remedy}")

    def _version(self) -> str:
        try:
            return metadata.version(self.tested.partition("==")[0])
        except metadata.PackageNotFoundError:
            return "of an unknown version"

    def module(self, name: str) -> Any:
        """Import a module of the library.

        Raises:
            JobError: There is none of that name.
        """
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise self.refused(f"{name} cannot be imported ({error})") from error

    def member(self, owner: Any, name: str) -> Any:
        """Get an attribute of a module, a class or an object.

        Raises:
            JobError: It has none of that name.
        """
        try:
            return getattr(owner, name)
        except AttributeError:
            raise self.refused(f"{_name(owner)} has no '{name}'") from None

    def function(self, owner: Any, name: str, *parameters: str, is_async: bool = False) -> Any:
        """Get a function whose parameters are known.

        Args:
            owner: A module, a class (whose methods have ``self``) or an object.
            name: The function's name.
            parameters: The names of its parameters.
            is_async: Whether it is a coroutine function.

        Raises:
            JobError: There is none, or it takes other parameters.
        """
        found = self.member(owner, name)
        try:
            taken = tuple(inspect.signature(found).parameters)
        except (TypeError, ValueError):
            raise self.refused(f"{_name(owner)}.{name} is not a function whose parameters can be read") from None
        if taken != parameters:
            expected = ", ".join(parameters)
            raise self.refused(f"{_name(owner)}.{name} takes ({', '.join(taken)}), and ({expected}) was expected")
        if inspect.iscoroutinefunction(found) != is_async:
            raise self.refused(f"{_name(owner)}.{name} is {'not ' if is_async else ''}a coroutine function")
        return found


def _name(owner: Any) -> str:
    return str(getattr(owner, "__name__", None) or type(owner).__name__)
