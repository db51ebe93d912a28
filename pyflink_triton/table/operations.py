"""What Flink's parser makes of a statement: whether it is harmless, and what it makes, drops or alters.

A statement that is not known to be harmless is not. The kinds are the names of the classes of Flink's operations, as
`DropTableOperation`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pyflink.table import TableEnvironment

from pyflink_triton.errors import JobError
from pyflink_triton.table.compat.java_objects import java_session, jvm

#: What answers, or changes nothing but the session.
_HARMLESS = re.compile(
    r"Show(?!Jobs)\w+|Describe(?:Table|Catalog|Model|Function)|Explain|Use(?:Catalog|Database|Modules)|"
    r"(?:Load|Unload)Module|AddJar|Set|Reset|(?:Create|Drop)(?:Catalog|TempSystemFunction)|AlterCatalog(?:Options|Reset|Comment)"
)
_PLANNED = ("QueryOperation", "ModifyOperation")
#: What makes, drops or alters something in a catalog; Flink's words for what it is.
_DEFINES = re.compile(
    r"(?P<verb>Create|Drop|Alter|Add)(?:(?P<database>Database)|Catalog(?P<function>Function)|(?P<model>Model)(?:Change|Rename)?|"
    r"(?P<view>View)(?:As|Properties|Rename)?|(?P<table>Table|Partition)(?:s|Change|Rename|Schema|Properties)?)"
)
_AS = ("CreateTableAS", "ReplaceTableAs")


@dataclass(frozen=True)
class Operation:
    """A statement, as Flink's parser has read it.

    Attributes:
        kind: The name of its class, without `Operation`.
    """

    kind: str
    _java: Any

    @property
    def is_harmless(self) -> bool:
        """Whether it is known to start no job, and to change nothing that stays after the session."""
        return _HARMLESS.fullmatch(self.kind) is not None

    @property
    def is_planned(self) -> bool:
        """Whether it has a plan: a query, or what writes rows."""
        java = jvm()
        package = "org.apache.flink.table.operations"
        return any(java.Class.forName(f"{package}.{name}").isInstance(self._java) for name in _PLANNED)

    @property
    def table(self) -> Operation | None:
        """What makes the table of a CREATE TABLE AS or REPLACE TABLE AS, without its query; None for all others."""
        return Operation("CreateTable", self._java.getCreateTableOperation()) if self.kind in _AS else None

    @property
    def replaces(self) -> bool:
        """Whether the table may be there already, and is another one afterwards."""
        return self.kind == "ReplaceTableAs"

    @property
    def jar(self) -> str | None:
        """The jar that it adds."""
        return str(self._java.getPath()) if self.kind == "AddJar" else None

    @property
    def verb(self) -> str | None:
        """`Create`, `Drop` or `Alter`, where it does that in a catalog; else None."""
        found = _DEFINES.fullmatch(self.kind)
        if found is None:
            return None
        return "Alter" if "Partition" in self.kind else found["verb"]

    @property
    def is_of_database(self) -> bool:
        """Whether it makes, drops or alters a database."""
        return self._what == "database"

    @property
    def _what(self) -> str | None:
        found = _DEFINES.fullmatch(self.kind)
        return found.lastgroup if found else None

    @property
    def catalog(self) -> str:
        """The catalog that it changes."""
        named = self._java if self.is_of_database else self._identifier
        return str(named.getCatalogName())

    @property
    def name(self) -> str:
        """The name of what it makes, drops or alters, without its catalog and database."""
        return str(self._java.getDatabaseName() if self.is_of_database else self._identifier.getObjectName())

    @property
    def path(self) -> str:
        """Its full name, quoted as SQL needs it."""
        return str(self._identifier.asSerializableString())

    @property
    def _identifier(self) -> Any:
        return getattr(self._java, f"get{str(self._what).capitalize()}Identifier")()

    @property
    def is_temporary(self) -> bool:
        """Whether what it makes or drops in a catalog is of this session only."""
        has_both = self.verb != "Alter" or self._what == "function"
        return has_both and not self.is_of_database and bool(self._java.isTemporary())

    @property
    def model_provider(self) -> str | None:
        """The provider of the model that it makes."""
        if self.kind != "CreateModel":
            return None
        return self._java.getCatalogModel().getOptions().get("provider")  # type: ignore[no-any-return] # a str or None

    @property
    def skips_existing(self) -> bool:
        """Whether it was written with IF NOT EXISTS."""
        return self.verb == "Create" and bool(self._java.isIgnoreIfExists())

    def as_temporary(self) -> Operation:
        """The same for a temporary object: of a CREATE that could have been written so, or of a DROP.

        Raises:
            JobError: Flink makes no temporary one of it.
        """
        java, what = self._java, str(self._what).capitalize()
        class_ = getattr(jvm().org.apache.flink.table.operations.ddl, java.getClass().getSimpleName())
        if self.verb == "Create":
            made = getattr(java, f"getCatalog{what}")()
            temporary = class_(self._identifier, made, java.isIgnoreIfExists(), True)
        else:
            temporary = class_(self._identifier, java.isIfExists(), True)
        if not temporary.isTemporary():
            raise JobError(f"Flink makes no temporary object of {self.kind}.")
        return Operation(self.kind, temporary)

    def drop(self) -> Operation:
        """What drops, if it is there, the table that this one makes."""
        class_ = jvm().org.apache.flink.table.operations.ddl.DropTableOperation
        return Operation("DropTable", class_(self._identifier, True, self.is_temporary))

    def is_there(self, session: TableEnvironment) -> bool:
        """Whether a session has a table, view or model of this name; no function is found."""
        manager = java_session(session).getCatalogManager()
        if self._what == "function":
            return False
        found = manager.getModel(self._identifier) if self._what == "model" else manager.getTable(self._identifier)
        return bool(found.isPresent())

    def run(self, session: TableEnvironment) -> None:
        """Run it in a session."""
        java_session(session).executeInternal(self._java)


def parse(session: TableEnvironment, statement: str) -> Operation:
    """Let Flink's parser read a statement; nothing runs.

    Args:
        session: Where it would run.
        statement: The statement.
    """
    java = java_session(session).getParser().parse(statement).get(0)
    return Operation(str(java.getClass().getSimpleName()).removesuffix("Operation"), java)
