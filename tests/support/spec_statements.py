"""Every statement of the specification, with what runs in its place where Flink cannot take it as it is, and why.

An address of the specification (`http://triton-server:8000`) is exchanged for that of the server under test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        spec: As the specification has it.
        runs: What runs in its place; empty where it runs as it is.
        why: Why it cannot run as it is, or what it needs to.
    """

    spec: str
    runs: str = ""
    why: str = ""

    @property
    def sql(self) -> str:
        """What runs, without what only a script has."""
        return (self.runs or self.spec).rpartition(";")[0] or self.runs or self.spec


@dataclass(frozen=True)
class Table:
    """A table that the specification's queries read: its columns' types, and its rows."""

    types: dict[str, str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Example:
    """Statements that belong together, from a fresh session on.

    Attributes:
        section: Of the specification.
        statements: In their order; the rows of the last SELECT or of each are checked.
        tables: What they read.
        answers: The rows of each SELECT, in any order.
        prelude: Statements that the specification takes for granted.
        use: A query of ours over a model that the specification only creates.
        header: A header and its value that a request has to carry.
    """

    section: str
    statements: Sequence[Statement]
    tables: dict[str, Table]
    answers: Sequence[Sequence[tuple[Any, ...]]]
    prelude: Sequence[str] = field(default=())
    use: str = ""
    header: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """For the test's id."""
        return self.section.lower().replace(" ", "-")


_SERVER = "http://triton-server:8000/v2/models"
REVIEWS = Table(
    {"review_id": "INT", "review_text": "STRING"},
    [(1, "great product"), (2, "awful"), (3, "it works")],
)
SCORED = [
    (1, "great product", 0.5),
    (2, "awful", -1.0),
    (3, "it works", 0.0),
]
NOON = "2026-01-01 12:00:00"

BASIC = Example(
    "Basic Example",
    [
        Statement(
            """CREATE MODEL sentiment_analyzer WITH (
  'provider' = 'triton',
  'endpoint' = 'http://triton-server:8000/v2/models',
  'model-name' = 'sentiment_model',
  'model-version' = 'latest',
  'timeout' = '30s'
);"""
        ),
        Statement(
            """SELECT
  review_id,
  review_text,
  sentiment_analyzer(review_text) AS sentiment_score
FROM product_reviews;"""
        ),
    ],
    {"product_reviews": REVIEWS},
    [SCORED],
)

#: The Java tab: its CREATE MODEL is the one above; PyFlink's Table API has the same calls.
JAVA = Statement(
    """tEnv.executeSql(
    "CREATE MODEL sentiment_analyzer WITH " +
    "('provider' = 'triton', " +
    " 'endpoint' = 'http://triton-server:8000/v2/models', " +
    " 'model-name' = 'sentiment_model', " +
    " 'model-version' = 'latest', " +
    " 'timeout' = '30s')"
);

// Use the model
Table result = tEnv.sqlQuery(
    "SELECT review_id, review_text, " +
    "sentiment_analyzer(review_text) AS sentiment_score " +
    "FROM product_reviews"
);""",
    """t_env.execute_sql(
    "CREATE MODEL sentiment_analyzer WITH "
    "('provider' = 'triton', "
    " 'endpoint' = 'http://triton-server:8000/v2/models', "
    " 'model-name' = 'sentiment_model', "
    " 'model-version' = 'latest', "
    " 'timeout' = '30s')"
)

# Use the model
result = t_env.sql_query(
    "SELECT review_id, review_text, sentiment_analyzer(review_text) AS sentiment_score FROM product_reviews"
)""",
    "This project is for Python; the calls are the same under PyFlink's names.",
)

EXAMPLES: tuple[Example, ...] = (
    BASIC,
    Example(
        "Text Classification",
        [
            Statement(
                """CREATE MODEL text_classifier WITH (
  'provider' = 'triton',
  'endpoint' = 'http://triton-server:8000/v2/models',
  'model-name' = 'bert_classifier',
  'timeout' = '10s'
);"""
            ),
            Statement(
                """SELECT
  customer_id,
  feedback_text,
  text_classifier(feedback_text) AS category,
  event_time
FROM customer_feedback;"""
            ),
        ],
        {
            "customer_feedback": Table(
                {"customer_id": "INT", "feedback_text": "STRING", "event_time": "STRING"},
                [(1, "my parcel is late", NOON), (2, "wrong invoice", NOON)],
            )
        },
        [[(1, "my parcel is late", ("delivery", 1.0), NOON), (2, "wrong invoice", ("billing", 1.0), NOON)]],
    ),
    Example(
        "Image Classification",
        [
            Statement(
                """CREATE MODEL image_classifier WITH (
  'provider' = 'triton',
  'endpoint' = 'https://triton-server:8000/v2/models',
  'model-name' = 'resnet50',
  'model-version' = '1',
  'timeout' = '5s'
);"""
            ),
            Statement(
                """SELECT
  image_id,
  image_classifier(image_pixels) AS predicted_class,
  processing_time
FROM image_stream;"""
            ),
        ],
        {
            "image_stream": Table(
                {"image_id": "INT", "image_pixels": "ARRAY<ARRAY<ARRAY<FLOAT>>>", "processing_time": "STRING"},
                [
                    (1, [[[3.0, 3.0]] * 2, [[1.0, 1.0]] * 2, [[0.0, 0.0]] * 2], NOON),
                    (2, [[[0.0, 0.0]] * 2, [[1.0, 1.0]] * 2, [[1.0, 5.0]] * 2], NOON),
                ],
            )
        },
        [[(1, ("red", 0.75), NOON), (2, ("blue", 0.75), NOON)]],
    ),
    Example(
        "Recommendation System",
        [
            Statement(
                """CREATE MODEL recommender WITH (
  'provider' = 'triton',
  'endpoint' = 'http://triton-server:8000/v2/models',
  'model-name' = 'product_recommender',
  'model-version' = '2'
);"""
            ),
            Statement(
                """SELECT
  user_id,
  recommender(user_id, user_features, context) AS recommended_products
FROM user_activity;"""
            ),
        ],
        {
            "user_activity": Table(
                {"user_id": "BIGINT", "user_features": "ARRAY<FLOAT>", "context": "STRING"},
                [(7, [0.1, 0.9, 0.0, 0.5], "home"), (8, [1.0, 0.0, 0.0, 0.5], "shop")],
            )
        },
        [[(7, ["home:games:7", "home:tools:7"]), (8, ["shop:books:8", "shop:tools:8"])]],
    ),
    Example(
        "Fraud Detection",
        [
            Statement(
                """CREATE MODEL fraud_detector WITH (
  'provider' = 'triton',
  'endpoint' = 'http://triton-server:8000/v2/models',
  'model-name' = 'fraud_detection_model',
  'timeout' = '2s',
  'priority' = '200'  -- High priority for critical transactions
);"""
            ),
            Statement(
                """SELECT
  transaction_id,
  amount,
  fraud_detector(
    transaction_features,
    user_history,
    device_info
  ) AS fraud_score
FROM transactions
WHERE fraud_score > 0.8;  -- Alert on high-risk transactions""",
                """SELECT * FROM (
  SELECT
    transaction_id,
    amount,
    fraud_detector(
      transaction_features,
      user_history,
      device_info
    ) AS fraud_score
  FROM transactions
)
WHERE fraud_score > 0.8""",
                "SQL's WHERE does not see the names that SELECT gives; a subquery around it does, and the model "
                "is still asked once a row.",
            ),
        ],
        {
            "transactions": Table(
                {
                    "transaction_id": "INT",
                    "amount": "DOUBLE",
                    "transaction_features": "ARRAY<FLOAT>",
                    "user_history": "ARRAY<FLOAT>",
                    "device_info": "STRING",
                },
                [
                    (1, 9.5, [10.0, 1.0, 1.0], [10.0, 10.0], "phone"),
                    (2, 99.5, [150.0, 1.0, 1.0], [50.0], "unknown phone"),
                    (3, 60.0, [60.0, 1.0, 1.0], [20.0, 30.0, 10.0], "unknown tablet"),
                ],
            )
        },
        [[(2, 99.5, 1.0), (3, 60.0, 0.9)]],
    ),
    Example(
        "Named Entity Recognition (NER)",
        [
            Statement(
                """CREATE MODEL ner_model WITH (
  'provider' = 'triton',
  'endpoint' = 'http://triton-server:8000/v2/models',
  'model-name' = 'bert_ner',
  'compression' = 'gzip'  -- Compress large text inputs
);"""
            ),
            Statement(
                """SELECT
  doc_id,
  ner_model(document_text) AS entities
FROM documents;"""
            ),
        ],
        {
            "documents": Table(
                {"doc_id": "INT", "document_text": "STRING"},
                [(1, "we saw Ada in Paris."), (2, "nobody came"), (3, "Zagreb " + "is far " * 400)],
            )
        },
        [
            [
                (1, (["Ada", "Paris"], ["name", "place"])),
                (2, ([], [])),
                (3, (["Zagreb"], ["place"])),
            ]
        ],
        header=("Content-Encoding", "gzip"),
    ),
    Example(
        "Stateful Models",
        [
            Statement(
                """CREATE MODEL conversation_model WITH (
  'provider' = 'triton',
  'endpoint' = 'http://triton-server:8000/v2/models',
  'model-name' = 'chatbot_rnn',
  'sequence-id' = 'conversation-${user_id}',
  'sequence-start' = 'true',
  'sequence-end' = 'false'
);"""
            )
        ],
        {
            "chat": Table(
                {"user_id": "INT", "message": "STRING"},
                [(1, "hello"), (2, "hi"), (1, "how are you"), (1, "bye"), (2, "bye")],
            )
        },
        [[(1, "1 since hello"), (1, "2 since hello"), (1, "3 since hello"), (2, "1 since hi"), (2, "2 since hi")]],
        use="SELECT user_id, conversation_model(message, user_id) FROM chat",
    ),
    Example(
        "Sequence ids by themselves",
        [
            Statement(
                """CREATE MODEL stateful_predictor WITH (
  'provider' = 'triton',
  'endpoint' = 'http://triton-server:8000/v2/models',
  'model-name' = 'lstm_predictor',
  'sequence-id' = 'job-12345',
  'sequence-id-auto-increment' = 'true'
);"""
            )
        ],
        {"measured": Table({"id": "INT", "x": "FLOAT"}, [(n, float(n)) for n in range(20)])},
        [[(n, float(n)) for n in range(20)]],
        use="SELECT id, stateful_predictor(x) FROM measured",
    ),
    Example(
        "Fault Tolerance and Retry",
        [
            Statement(
                """CREATE MODEL resilient_model WITH (
  'provider' = 'triton',
  'endpoint' = 'http://triton-server:8000/v2/models',
  'model-name' = 'my_model',
  'timeout' = '30s'
);"""
            )
        ],
        {"measured": Table({"id": "INT", "features": "ARRAY<FLOAT>"}, [(1, [1.0, 2.0, 3.0]), (2, [0.0, 0.0, 3.0])])},
        [[(1, 2.0), (2, 1.0)]],
        use="SELECT id, resilient_model(features) FROM measured",
    ),
    Example(
        "Authentication and Security",
        [
            Statement(
                """CREATE MODEL secure_model WITH (
  'provider' = 'triton',
  'endpoint' = 'https://secure-triton:8000/v2/models',
  'model-name' = 'private_model',
  'auth-token' = '${SECRET:triton-token}',  -- Reference to secret
  'custom-headers' = MAP[
    'X-API-Key', 'your-api-key',
    'X-Client-ID', 'flink-job-123'
  ]
);""",
                """CREATE MODEL secure_model WITH (
  'provider' = 'triton',
  'endpoint' = 'https://secure-triton:8000/v2/models',
  'model-name' = 'private_model',
  'auth-token' = '${SECRET:triton-token}',  -- Reference to secret
  'custom-headers' = 'X-API-Key:your-api-key,X-Client-ID:flink-job-123'
);""",
                "In WITH Flink's grammar takes strings only, no MAP. The same headers are written as one string, as a "
                "JSON object, or one by one as `'custom-headers.X-API-Key' = 'your-api-key'`.",
            )
        ],
        {"letters": Table({"id": "INT", "data": "STRING"}, [(1, "dear sir"), (2, "")])},
        [[(1, "DEAR SIR"), (2, "")]],
        use="SELECT id, secure_model(data) FROM letters",
        header=("X-Client-ID", "flink-job-123"),
    ),
    Example(
        "Request Compression",
        [
            Statement(
                """CREATE MODEL image_model WITH (
  'provider' = 'triton',
  'endpoint' = 'http://triton-server:8000/v2/models',
  'model-name' = 'high_res_classifier',
  'compression' = 'gzip'  -- Compress request body
);"""
            )
        ],
        {
            "images": Table(
                {"id": "INT", "pixels": "ARRAY<ARRAY<ARRAY<FLOAT>>>"},
                [(1, [[[1.0] * 40] * 30, [[6.0] * 40] * 30, [[1.0] * 40] * 30]), (2, [[[3.0]], [[1.0]], [[0.0]]])],
            )
        },
        [[(1, ("green", 0.75)), (2, ("red", 0.75))]],
        use="SELECT id, image_model(pixels) FROM images",
        header=("Content-Encoding", "gzip"),
    ),
    Example(
        "Batch Processing",
        [
            Statement(
                """SELECT
     window_start,
     COLLECT_LIST(text) AS batch_texts,
     model(COLLECT_LIST(text)) AS batch_results
   FROM TABLE(
     TUMBLE(TABLE documents, DESCRIPTOR(event_time), INTERVAL '1' SECOND))
   GROUP BY window_start;""",
                """SELECT
  window_start,
  ARRAY_AGG(text) AS batch_texts,
  model(ARRAY_AGG(text)) AS batch_results
FROM TABLE(
  TUMBLE(TABLE documents, DESCRIPTOR(event_time), INTERVAL '1' SECOND))
GROUP BY window_start, window_end""",
                "Flink's aggregate is called ARRAY_AGG, and a windowed aggregation groups by both ends of its window, "
                "else it never finishes one.",
            )
        ],
        {},
        [
            [
                ("2026-01-01 00:00:00", ["great", "awful"], [1.0, -1.0]),
                ("2026-01-01 00:00:01", ["so good"], [0.5]),
            ]
        ],
        prelude=[
            f"CREATE MODEL model WITH ('provider' = 'triton', 'endpoint' = '{_SERVER}', "
            "'model-name' = 'sentiment_model')",
            "CREATE TABLE documents (text STRING, event_time TIMESTAMP(3), WATERMARK FOR event_time AS event_time) "
            "WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{documents}')",
        ],
    ),
    Example(
        "Handle inference failures",
        [
            Statement(
                """SELECT
     user_id,
     COALESCE(model(features), -1.0) AS prediction  -- Default to -1 on failure
   FROM user_data;""",
                why="A row that failed is NULL only where the model has `'default-value' = 'null'`: without it a "
                "failure fails the job.",
            )
        ],
        {
            "user_data": Table(
                {"user_id": "INT", "features": "ARRAY<FLOAT>"},
                [(1, [1.0, 2.0, 3.0]), (2, [-1.0, 0.0, 0.0]), (3, [0.0, 0.0, 3.0])],
            )
        },
        [[(1, 2.0), (2, -1.0), (3, 1.0)]],
        prelude=[
            f"CREATE MODEL model WITH ('provider' = 'triton', 'endpoint' = '{_SERVER}', 'model-name' = 'my_model', "
            "'default-value' = 'null')",
        ],
    ),
    Example(
        "Separate failed predictions",
        [
            Statement(
                """SELECT * FROM predictions WHERE prediction IS NOT NULL;""",
                why="Needs a model with `'default-value' = 'null'`, as above.",
            ),
            Statement("""SELECT * FROM predictions WHERE prediction IS NULL;"""),
        ],
        {
            "user_data": Table(
                {"user_id": "INT", "features": "ARRAY<FLOAT>"},
                [(1, [1.0, 2.0, 3.0]), (2, [-1.0, 0.0, 0.0]), (3, [0.0, 0.0, 3.0])],
            )
        },
        [[(1, 2.0), (3, 1.0)], [(2, None)]],
        prelude=[
            f"CREATE MODEL scorer WITH ('provider' = 'triton', 'endpoint' = '{_SERVER}', 'model-name' = 'my_model', "
            "'default-value' = 'null')",
            "CREATE VIEW predictions AS SELECT user_id, scorer(features) AS prediction FROM user_data",
        ],
    ),
)
