"""Every error that this package raises.

::

    TritonError
    ├── PlanError             the statement is wrong: refused when it is planned
    │   ├── OptionError       an option is unknown, missing or has a bad value
    │   └── SchemaError       a column does not fit the model's tensors
    ├── UnavailableError      the server or the model cannot be reached, or is not ready yet
    ├── RowError              one row's own fault: the row fails by its policy, its neighbours do not
    └── JobError              nothing that a row's policy covers: the job fails
        ├── AccessError       the server refuses us (401, 403)
        └── ContractError     the server's answer breaks the protocol or the model's signature
"""


class TritonError(Exception):
    """Base class; the message is one sentence for the user, with no secret and no row's values."""


class PlanError(TritonError):
    """The statement is wrong."""


class OptionError(PlanError):
    """An option is unknown, missing or has a bad value."""


class SchemaError(PlanError):
    """A column does not fit the model's tensors."""


class UnavailableError(TritonError):
    """The server or the model cannot be reached, or is not ready yet."""


class RowError(TritonError):
    """One row's own fault."""


class JobError(TritonError):
    """A fault that no row's policy covers."""


class AccessError(JobError):
    """The server refuses us."""


class ContractError(JobError):
    """The server's answer breaks the protocol or the model's signature."""


def sentence(message: str) -> str:
    """End a message as a sentence ends."""
    return message if message.endswith((".", "?")) else f"{message}."
