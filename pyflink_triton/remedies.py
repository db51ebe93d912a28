"""What messages tell the user to do, as templates. `tests/project/test_remedies.py` does what each one says."""

from __future__ import annotations

from enum import Enum


class Remedy(Enum):
    """A sentence, or a part of one, that says what to do; a call fills in the template.

    A template that follows a comma or a colon in its message begins with a small letter.
    """

    # Options: one value
    WRITE_URL = "write it as 'http://host:8000' or 'http://host:8000/v2/models'"
    NAME_VARIABLE = "use upper-case letters, digits and '_', as in 'http://${{ENV:NODE}}:8000'"
    RENAME_MODEL = "Correct the name, or rename the model's directory on the server"
    WRITE_VERSION = "write digits, as in '3', or 'latest'"
    WRITE_ROUTE = "write it as '${{model}}', and make the text in the query"
    WRITE_ALLOWED = "write names, and '*' only at the end of one, as in 'fraud_v2,tenant-*'"
    WRITE_BOOLEAN = "write 'true' or 'false'"
    WRITE_BOOLEAN_OR_COLUMN = "write 'true', 'false', or a BOOLEAN column, as in '${{is_first}}'"
    CLOSE_TEMPLATE = "write a column as in 'conversation-${{user_id}}'"
    WRITE_INTEGER = "write a whole number from {minimum} to {maximum}"
    WRITE_SHARE = "write a share above 0 and at most 1, as in '0.5'"
    WRITE_RATE = "write a number from {minimum} to {maximum}, as in '50' or '0.5'"
    WRITE_DURATION = "write a whole number and a unit, as in '30s' or '500 ms'"
    WRITE_SIZE = "write a whole number and a unit, as in '32 mb' or '64 kb'"
    STAY_BETWEEN = "write a value from '{minimum}' to '{maximum}'"
    WRITE_ONE_OF = "write one of {choices}"
    WRITE_NAMES = "write it as 'name' or 'name,name'"
    WRITE_HEADERS = (
        """write them as 'X-Key:value,X-Other:value', as '{{"X-Key": "value"}}', or as 'custom-headers.X-Key'"""
    )
    WRITE_PARAMETERS = (
        """write them as '{{"max_tokens": 200}}', or one by one, as in 'parameters.max_tokens' = '200'; a column is """
        "'${{column}}'"
    )
    WRITE_PAD = (
        """write it as 'pad.input_ids' = '{{"edges": [16, 32, 64, 128], "value": 0, "mask": "attention_mask"}}'"""
    )
    WRITE_MASK = (
        'Name the input of the model that says which values count, as in "mask": "attention_mask", or write "mask": '
        "null if the model needs none"
    )
    NAME_HEADER = "use letters, digits and '-', as in 'X-Key'"
    DID_YOU_MEAN = "Did you mean '{key}'?"

    SHOW_MODELS = "SHOW MODELS lists those of the current catalog; another one's is written as ``triton.`default`.m``"
    CALL_AS = "call it as in {example}"

    # Options: several of them
    LEAVE_ONE_OUT = "Leave one out"
    LEAVE_OUT = "Leave it out"
    WRITE_OTHER_KEY = "Write '{key}' instead, or leave it out"
    WRITE_IN_CREATE_MODEL = "Write it in CREATE MODEL"
    SET_OPTION_TOO = "Set '{key}' as well"
    SET_ROWS = "Set 'responses' = 'rows', or leave the option out"
    LOWER_OR_RAISE = "Lower '{above}' or raise '{below}'"
    WRITE_HTTPS = "Write the option 'endpoint' with https"
    WRITE_DEFAULT = "write it as '{example}', or 'null' for NULL"
    WRITE_NULL = "write it as '{example}'"
    REFER_TO_SECRET = "Write '${{SECRET:name}}' instead"
    NAME_SECRET = "write '${{SECRET:my-token}}'"
    SET_VARIABLE = "Set it on each machine that plans statements or sends requests"
    PROVIDE_SECRET = "Provide it on each machine that sends requests"

    # Columns
    CONVERT = "Write {expression}"
    CONVERT_TEXT = "Write {expression} where the bytes are text"
    NO_CAST = "Flink has no CAST for that. Give {type}"
    DECODE = "Write DECODE(..., 'ISO-8859-1')"
    CAST_NEAREST = "write CAST(... AS {type}) for the nearest value"
    CAST_NULL = "Write CAST(NULL AS {type})"
    USE_TYPE = "Use BOOLEAN, an integer, FLOAT, DOUBLE, STRING, BYTES, or an ARRAY of one of these"
    DECLARE_ONE_OF = "Declare it as one of {types}"
    DECLARE = "declare it {type}"
    DECLARE_RAW = "If each value is a tensor's whole content, declare it BYTES and give one value for each row"
    DECLARE_AND_CONVERT_ARGUMENT = "Declare it {type}, and write {expression} where the argument is {other}"
    DECLARE_AND_CONVERT_RESULT = "Declare it {type}, and write {expression} where you need {other}"
    DECLARE_IN_INPUT = "Declare it {type} in INPUT, because a CAST changes bytes that are not UTF-8"
    DECLARE_OR_FLATTEN = (
        "declare it {type}, or set 'flatten-batch-dim' = 'true' where its outer array always has one element"
    )
    DECLARE_ELEMENT = "Declare '{column}' {type}"
    DECLARE_ELEMENT_OR_ARRAY = (
        "declare it {type}, or declare the output column '{output}' {array} to send an array as a batch"
    )
    DECLARE_AS = "Declare it {type}"
    ADD_COLUMN = "Add a column `{name}` {type} to INPUT"
    ADD_REFERENCE = "Add `{name}` {type} to INPUT"
    ADD_ERROR_COLUMN = "Add `{name}` STRING to OUTPUT"
    ADD_OUTPUT = "Add `{name}` {type} to OUTPUT"
    NAME_TEXT_OUTPUT = "Name one that is a STRING"
    RENAME_OWN_COLUMN = "Give the column another name"
    NAME_TENSOR = "Name it after one of these tensors: {tensors}."
    NAME_OUTPUTS = "Name one or more of these: {names}"
    SET_OPTIONAL_OUTPUT = "If a row may lack it, set 'optional-outputs' = '{column}'"
    GIVE_A_VALUE = "Give one of them a value"
    CHANGE_DATATYPE = "Give the model FP32 there"
    RENAME_INPUT = "Give the model's input another name"
    CHANGE_DIMS = "Give the model a tensor with one free dim there, and declare an ARRAY"
    DECLARE_INPUT = "Declare `{name}` in INPUT"
    USE_ARRAY = "Write ML_PREDICT, or set 'responses' = 'array'"
    ALLOW_REPEATS = (
        "If it gives a row that comes again the same responses, set 'deterministic' = 'true', else leave the option out"
    )
    TAKE_NO_RESPONSE = "Where a row may have none, set 'responses' = 'array' or 'rows'"
    SET_RESPONSES = "Set the option 'responses', as in 'responses' = 'one'"
    TAKE_RESPONSES = "Set the option 'responses' to 'last', 'join', 'array' or 'rows'"
    FIT_PAD_VALUE = "Give it a value of {type}"
    GIVE_SAME_EDGES = "Give both the same edges"
    NAME_TRIMMED = (
        'Name it in "outputs" if it has an entry for each of the input\'s, or in "untrimmed" if its length is its own'
    )
    NAME_UNTRIMMED = 'Name it in "untrimmed" instead of "outputs"'
    NAME_EXACTLY = "Write the name exactly as the model has it"
    DECLARE_BOTH = "Declare INPUT and OUTPUT"
    NAME_ALLOWED = "Give the column the name of one of the models in 'allowed-models', or add the model there"
    GIVE_VERSION = "Give the column digits, as '3', or 'latest'"
    GIVE_ONE_ELEMENT = "Give it one element for each row, as CROSS JOIN UNNEST does"

    # Sequences
    SET_SEQUENCE = (
        "Set 'sequence-id', as in 'sequence-id' = '${{user_id}}' with 'sequence-start' = 'true', or with "
        "'sequence-id-auto-increment' = 'true' where each row is a sequence of its own"
    )
    SET_START = "Set 'sequence-start' to 'true', or to a BOOLEAN column that marks first rows, as in '${{is_first}}'"
    CHANGE_CORRID = "Give the control an integer type, or leave it out of the model's configuration"
    RAISE_IDLE = "Raise max_sequence_idle_microseconds in the model's configuration"
    SEPARATE_SUBTASKS = (
        "Refer to a column that the rows are keyed by, as in '${{user_id}}', set 'sequence-id-auto-increment' = "
        "'true', or set the parallelism to 1"
    )
    GIVE_ID = "Give each row an id in the columns of 'sequence-id'"
    USE_NUMBERS = "Use whole numbers as ids, or a CORRID control of 64 bits"
    FIND_SEQUENCE = (
        "Mark its first row by 'sequence-start', set 'sequence-lost' = 'restart' to begin it again, or raise the "
        "model's max_sequence_idle_microseconds"
    )
    GIVE_NOT_NULL = "Give arguments that are NOT NULL, as COALESCE makes them, or use ML_PREDICT"
    SET_NO_RETRY = "Set 'table.exec.async-scalar.retry-strategy' = 'NO_RETRY'"

    # The server and its model
    CHECK_ENDPOINT = "Check the option 'endpoint'"
    WRITE_HTTP_PORT = "Write the option 'endpoint' with the port of Triton's HTTP, 8000 unless it was changed"
    CHECK_SERVER = "Check that the server runs and that the option 'endpoint' is right"
    CHECK_TLS = "Check the options 'tls-ca-file', 'tls-cert-file' and 'tls-verify'"
    CHECK_CREDENTIALS = "Check the options 'auth-token' and 'custom-headers'"
    WRITE_HTTP = "If the server speaks plain HTTP, write the option 'endpoint' with http. Otherwise check its port"
    WRITE_HTTP_OR_SHOW_CERTIFICATE = (
        "If the server speaks plain HTTP, write the option 'endpoint' with http. If it asks for a client certificate, "
        "set the option 'tls-cert-file'"
    )
    ASK_FOR_FINISH = (
        "If the server is not overloaded, give the model the input that makes it answer this, or leave the option "
        "'finish-column' out"
    )
    ASK_FOR_LESS = "Raise it, or ask the model for shorter answers"
    RAISE_TIMEOUT = "Raise the option 'timeout', or find out why the model is slow"
    RAISE_TOTAL = "Raise the option 'total-timeout', or ask the model for shorter answers"
    PLAN_WITHOUT_SERVER = "To plan without the server, set 'plan-check' = 'best-effort'"
    CREATE_WITHOUT_SERVER = "To create the model without the server, declare INPUT and OUTPUT"
    DECLARE_ALL = (
        "if the server lets only inferences through, declare INPUT and OUTPUT, and set 'plan-check' = 'off' and "
        "'max-batch-size'"
    )
    DECLARE_TENSORS = (
        "declare each column with the name of its tensor and the type of its datatype, and set 'max-batch-size' to the "
        "model's max_batch_size"
    )
    DESCRIBE_TENSORS = (
        "Let it do so by get_input_types and get_output_types, or declare INPUT and OUTPUT with the names and types of "
        "its tensors, and set 'plan-check' = 'off' and 'max-batch-size'"
    )
    SET_BATCH_LIMIT = "Set the option 'max-batch-size' to what the model takes"
    ANSWER_BINARY = "Let the model give its outputs in binary form, as kserve's get_predict_response does"
    CHANGE_SERVER = "Serve the model from Triton, or from kserve's Python server"
    SWITCH_CACHE_OFF = "Switch response_cache off in the model's configuration"
    SET_BATCH_SIZE = "set the option 'max-batch-size' (0 if the model has no batch axis)"
    PLAN_AGAIN = "Plan the statement again"
    RESTART_JOB = "Restart the job, or set 'max-batch-size' if the servers differ in it"
    DECLARE_BYTES = "declare it BYTES"

    # Flink and this package
    USE_ML_PREDICT = "Call the model by ML_PREDICT, or compile the statement in streaming mode"
    USE_NEWER_FLINK = "Use {instead}, or Flink 2.3"
    GIVE_EXPRESSION = (
        "Give one of its arguments as an expression over a column, as CASE WHEN x IS NULL THEN x ELSE 'a' END for a "
        "column without NULLs"
    )
    KEEP_KEY = (
        "Call it before rows are aggregated or joined, or keep the key that the rows have and write to a table with "
        "that PRIMARY KEY"
    )
    SET_REQUIREMENTS_BEFORE = "set the requirements before them"
    USE_JAR = "use the jar that pyflink_triton.jar_path() names"
    INSTALL_PACKAGE = "Install the package with pip (from a checkout: `make jar`)"
    CHOOSE_PORT = "give a port from 0 to 65535"
    NAME_CATALOG = "Attach this one under another name, as in connect(..., catalog='other')"
    INSTALL_JAVA = (
        "Run `pip install 'pyflink-triton[java]'`, which brings a Java, or set JAVA_HOME to the directory of a Java 17"
    )
    SET_FLINKS_JAVA_HOME = "Set env.java.home in Flink's configuration to the directory of a Java 17"
    INSTALL_TESTED = "Install {requirement} into that Python"

    # The command
    BEGIN_A_LINE = "Begin each statement in a line of its own"
    COMMENT_A_LINE = "Give the comment a line of its own"
    FILTER_BEFORE = "Put the condition in the WHERE of a subquery"
    FILTER_INSIDE = "Put the condition inside, as in ML_PREDICT((SELECT ... WHERE ...), ...)"
    GIVE_ENDPOINT = "Give --endpoint too"
    CHECK_GATEWAY = "Check the option --gateway"
    WRITE_PAIR = "write it as KEY=VALUE"

    # What `pyflink-triton doctor` says besides
    CORRECT_OPTION = "Correct the option"
    CHECK_PATH = "Check the path of the option 'endpoint': Triton itself has none, and a proxy before it may have one"
    CORRECT_PROXY = (
        "Correct HTTP_PROXY and HTTPS_PROXY, add the host to NO_PROXY, or leave the option 'proxy-from-environment' out"
    )
    RENEW_CERTIFICATE = "Give the server a certificate that is valid for longer"
    WRITE_CERTIFIED_HOST = "Write the option 'endpoint' with a host that the server's certificate names"
    SET_TOKEN = "Set the option 'auth-token', as in 'auth-token' = '${{SECRET:my-token}}'"
    WAIT_FOR_SERVER = "Wait until the server is ready, or see in its log why it is not"
    LOAD_MODEL = "Load the model, or see in the server's log why it is not loaded"
    NAME_READY_MODEL = "Write 'model-name' with the name of a model that is ready: {models}"
    NAME_READY_VERSION = "Leave 'model-version' out, or name a version that is ready: {versions}"
    GIVE_INSTANCES = "Give the model more instances, or send it fewer requests at once"
    CORRECT_FLINK_HOME = "Set FLINK_HOME to the directory of a Flink, or leave it out"
    REMOVE_JARS = "Remove {jars}, and use the jar that `pyflink-triton jar` prints"
    USE_FLINK = "Use Flink {versions}"
    CHECK_FLINK_URL = "Check the URL, and that Flink runs there"
    NAME_PYTHON = "Set '{role}' to the path of a Python that is there"
    USE_PYTHON = "Use CPython {versions}"

    def __call__(self, **values: object) -> str:
        """Fill in the template.

        Args:
            values: The text for each name in the template.
        """
        text: str = self.value
        return text.format(**values)
