"""What messages tell the user to do. Each remedy is a template here, and `tests/test_remedies.py` does what it says."""

from __future__ import annotations

from enum import Enum


class Remedy(Enum):
    """A sentence, or a part of one, that says what to write instead; calling it fills the template in.

    Each begins small where it follows a comma or a colon.
    """

    # Options: one value
    WRITE_URL = "write it as 'http://host:8000' or 'http://host:8000/v2/models'"
    WRITE_VERSION = "write digits, as in '3', or 'latest'"
    WRITE_BOOLEAN = "write 'true' or 'false'"
    WRITE_BOOLEAN_OR_COLUMN = "write 'true', 'false', or a BOOLEAN column, as in '${{is_first}}'"
    CLOSE_TEMPLATE = "write columns as in 'conversation-${{user_id}}'"
    WRITE_INTEGER = "write a whole number from {minimum} to {maximum}"
    WRITE_SHARE = "write a share above 0 and up to 1, as in '0.5'"
    WRITE_DURATION = "write a whole number and a unit, as in '30s' or '500 ms'"
    WRITE_SIZE = "write a whole number and a unit, as in '32 mb' or '64 kb'"
    STAY_BETWEEN = "write a value from '{minimum}' to '{maximum}'"
    WRITE_ONE_OF = "write one of {choices}"
    WRITE_HEADERS = (
        """write them as 'X-Key:value,X-Other:value', as '{{"X-Key": "value"}}', or as 'custom-headers.X-Key'"""
    )
    NAME_HEADER = "use letters, digits and '-', as in 'X-Key'"
    DID_YOU_MEAN = "Did you mean '{key}'?"

    # Options: several of them
    LEAVE_ONE_OUT = "Leave one out"
    WRITE_IN_CREATE_MODEL = "Write it in CREATE MODEL"
    SET_OPTION_TOO = "Set '{key}' as well"
    LOWER_OR_RAISE = "Lower '{above}' or raise '{below}'"
    WRITE_HTTPS = "Write the endpoint with https"
    WRITE_DEFAULT = "write it as '{example}', or 'null' for NULL"
    REFER_TO_SECRET = "Write '${{SECRET:name}}' instead"
    NAME_SECRET = "write '${{SECRET:my-token}}'"
    PROVIDE_SECRET = "Provide it on each machine that sends requests"

    # Columns
    CAST = "Write CAST(... AS {type})"
    CAST_EXACTLY = "write CAST(... AS {type})"
    CAST_NULL = "Write CAST(NULL AS {type})"
    CAST_TO_TENSOR = "CAST it to a BOOLEAN, integer, FLOAT, DOUBLE, STRING or BYTES, or an ARRAY of one"
    DECLARE = "declare it {type}"
    DECLARE_AND_CAST = "Declare it {type}, and write CAST(... AS {type}) where a column of another type is given"
    DECLARE_AND_CAST_RESULT = "Declare it {type}, and CAST the result where another type is needed"
    DECLARE_OR_FLATTEN = (
        "declare it {type}, or set 'flatten-batch-dim' = 'true' where its outer array always has one element"
    )
    DECLARE_ELEMENT = "Declare '{column}' {type}"
    DECLARE_ELEMENT_OR_ARRAY = (
        "declare it {type}, or, for an array as a batch, declare the output column '{output}' {array}"
    )
    DECLARE_REFERENCE = "Declare it {type}"
    ADD_COLUMN = "Add a column {name} {type} to INPUT"
    ADD_REFERENCE = "Add {name} {type} to INPUT"
    ADD_ERROR_COLUMN = "Add {name} STRING to OUTPUT"
    RENAME_ERROR_COLUMN = "Give the error column another name"
    NAME_TENSOR = "Name it after one: {tensors}."
    NAME_EXACTLY = "Write the name exactly"
    GIVE_ONE_ELEMENT = "Give it one element a row, as with CROSS JOIN UNNEST"

    # Sequences
    SET_SEQUENCE = (
        "Set 'sequence-id', as in 'sequence-id' = '${{user_id}}' with 'sequence-start' = 'true', or with "
        "'sequence-id-auto-increment' = 'true' where each row is a sequence of its own"
    )
    SET_START = "Set 'sequence-start' to 'true', or to the BOOLEAN column that says so: '${{is_first}}'"
    CHANGE_CORRID = "Give the control an integer type, or leave it out of the model's configuration"
    RAISE_IDLE = "Raise max_sequence_idle_microseconds in the model's configuration"
    SEPARATE_SUBTASKS = (
        "Refer to a column that the rows are keyed by, as in '${{user_id}}', set 'sequence-id-auto-increment' = "
        "'true', or set the parallelism to 1"
    )
    GIVE_ID = "Give each row an id in the columns of 'sequence-id'"
    USE_NUMBERS = "Use whole numbers as ids, or a CORRID control of 64 bits"
    FIND_SEQUENCE = (
        "Mark its first row by 'sequence-start', set 'sequence-lost' = 'restart' to begin it anew, or raise the "
        "model's max_sequence_idle_microseconds"
    )
    GIVE_NOT_NULL = "Give arguments that are NOT NULL, as COALESCE makes them, or use ML_PREDICT"
    SET_NO_RETRY = "Set 'table.exec.async-scalar.retry-strategy' = 'NO_RETRY'"

    # The server and its model
    CHECK_ENDPOINT = "Check the option 'endpoint'"
    CHECK_SERVER = "Check that the server runs and that the option 'endpoint' is right"
    CHECK_TLS = "Check the options 'tls-ca-file', 'tls-cert-file' and 'tls-verify', and that the endpoint is https"
    SHOW_CERTIFICATE = "The server may want a certificate of this side: the option 'tls-cert-file'"
    RAISE_TIMEOUT = "Raise the option 'timeout', or see why the model is slow"
    PLAN_WITHOUT_SERVER = "To plan without the server, set 'plan-check' = 'best-effort'"
    CREATE_WITHOUT_SERVER = "To create the model without the server, declare INPUT and OUTPUT"
    SET_BATCH_SIZE = "set the option 'max-batch-size' (0 where the model has no batch axis)"
    PLAN_AGAIN = "Plan the statement again"
    RESTART_JOB = "Restart the job, or set 'max-batch-size' where the servers differ"
    DECLARE_BYTES = "declare it BYTES"

    def __call__(self, **values: object) -> str:
        """Fill the template in.

        Args:
            values: What stands for each name in it.
        """
        text: str = self.value
        return text.format(**values)
