"""What the ten examples of Flink's Java module show, in words and models of this project, its option names kept.

Addresses, Kafka topics and hdfs paths are the tests' own; everything else is as a user of that module would write it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class ModuleExample:
    """One ML_PREDICT over a model.

    Attributes:
        shows: What the module's example shows.
        served: The server's model.
        input: INPUT, as SQL.
        output: OUTPUT, as SQL.
        options: Besides provider, endpoint and model-name.
        types: The columns of the table that it reads.
        rows: Its rows.
        given: The columns that DESCRIPTOR names.
        select: What is selected, and what follows ML_PREDICT.
        answers: The rows, in any order.
        header: A header and its value that the requests carry.
        mode: ``streaming`` or ``batch``.
    """

    shows: str
    served: str
    input: str
    output: str
    types: dict[str, str]
    rows: Sequence[Sequence[Any]]
    given: str
    select: tuple[str, str]
    answers: Sequence[tuple[Any, ...]]
    options: dict[str, str] = field(default_factory=dict)
    header: tuple[str, str] | None = None
    mode: str = "streaming"


MODULE_EXAMPLES = (
    ModuleExample(
        shows="text classification",
        served="bert_classifier",
        input="`text` STRING",
        output="category STRING",
        options={"model-version": "1", "timeout": "10000"},
        types={"id": "INT", "letter": "STRING", "expected": "STRING"},
        rows=[(1, "the courier is late", "delivery"), (2, "a refund please", "billing")],
        given="letter",
        select=("id, category, expected", ""),
        answers=[(1, "delivery", "delivery"), (2, "billing", "billing")],
    ),
    ModuleExample(
        shows="image classification with two outputs, flat pixels, compressed",
        served="resnet50",
        input="image_pixels ARRAY<FLOAT>",
        output="predicted_class STRING, confidence FLOAT",
        options={"model-version": "1", "timeout": "10000", "compression": "gzip", "compression-min-bytes": "0"},
        types={"id": "STRING", "pixels": "ARRAY<FLOAT>"},
        rows=[("sky", [0.0] * 4 + [1.0] * 4 + [3.0] * 4), ("fire", [9.0] * 4 + [3.0] * 4 + [0.0] * 4)],
        given="pixels",
        select=("id, predicted_class, confidence", ""),
        answers=[("sky", "blue", 0.75), ("fire", "red", 0.75)],
        header=("Content-Encoding", "gzip"),
    ),
    ModuleExample(
        shows="fraud detection over four columns with priority, a DECIMAL amount, CASE and WHERE on the score",
        served="payment_risk",
        input="user_id BIGINT, amount DOUBLE, merchant_id STRING, device_fingerprint STRING",
        output="fraud_score FLOAT",
        options={"timeout": "5000", "priority": "200"},
        types={"id": "INT", "who": "BIGINT", "sum": "DECIMAL(10, 2)", "shop": "STRING", "device": "STRING"},
        rows=[
            (1, 7, Decimal(900), "a", "x"),
            (2, 7, Decimal(100), "a", "x"),
            (3, 0, Decimal(300), "a", "x"),
            (4, 7, Decimal(450), "b", "b"),
        ],
        given="who, `sum`, shop, device",
        select=(
            "id, CASE WHEN fraud_score > 0.8 THEN 'high' WHEN fraud_score > 0.5 THEN 'medium' ELSE 'low' END",
            "WHERE fraud_score > 0.5",
        ),
        answers=[(1, "high"), (3, "medium"), (4, "high")],
    ),
    ModuleExample(
        shows="recommendation from arrays of numbers and a text to an array of texts",
        served="product_recommender",
        input="user_id BIGINT, user_features ARRAY<FLOAT>, context STRING",
        output="recommended_products ARRAY<STRING>",
        options={"model-version": "2"},
        types={"id": "BIGINT", "likes": "ARRAY<FLOAT>", "place": "STRING"},
        rows=[(1, [0.1, 0.2, 0.9, 0.3], "web")],
        given="id, likes, place",
        select=("id, recommended_products", ""),
        answers=[(1, ["web:shoes:1", "web:tools:1"])],
    ),
    ModuleExample(
        shows="named entities as two arrays of whatever length, compressed",
        served="bert_ner",
        input="document_text STRING",
        output="entities ARRAY<STRING>, entity_types ARRAY<STRING>",
        options={"compression": "gzip"},
        types={"id": "STRING", "body": "STRING", "source": "STRING"},
        rows=[("a", "then Grace went to Berlin " + "and on " * 300, "web"), ("b", "and no one else", "post")],
        given="body",
        select=("id, entities, entity_types, source", ""),
        answers=[("a", ["Grace", "Berlin"], ["name", "place"], "web"), ("b", [], [], "post")],
        header=("Content-Encoding", "gzip"),
    ),
    ModuleExample(
        shows="a stateful model with one sequence that the job begins",
        served="chatbot_rnn",
        input="message STRING",
        output="reply STRING",
        options={"sequence-id": "talk-1", "sequence-start": "true", "sequence-end": "false"},
        types={"id": "INT", "said": "STRING"},
        rows=[(1, "hello"), (2, "are you there"), (3, "bye")],
        given="said",
        select=("id, reply", ""),
        answers=[(1, "1 since hello"), (2, "2 since hello"), (3, "3 since hello")],
    ),
    ModuleExample(
        shows="batch inference over history, with a long time-out",
        served="bert_classifier",
        input="`text` STRING",
        output="category STRING, confidence DOUBLE",
        options={"timeout": "60000"},
        types={"id": "BIGINT", "letter": "STRING"},
        rows=[(n, "thanks" if n % 2 else "invoice refund") for n in range(300)],
        given="letter",
        select=("id, category, confidence", ""),
        answers=[(n, "praise" if n % 2 else "billing", 1.0) for n in range(300)],
        mode="batch",
    ),
    ModuleExample(
        shows="a secured server: a token with its scheme, and headers as JSON",
        served="private_model",
        input="`data` STRING",
        output="`result` STRING",
        options={
            "auth-token": "Bearer canary-5f1c",
            "custom-headers": '{"X-API-Key": "your-api-key", "X-Client-ID": "flink-job-123"}',
        },
        types={"id": "INT", "letter": "STRING"},
        rows=[(1, "psst")],
        given="letter",
        select=("id, `result`", ""),
        answers=[(1, "PSST")],
        header=("X-Client-ID", "flink-job-123"),
    ),
    ModuleExample(
        shows="vectors for a model without a leading dimension: flatten-batch-dim",
        served="doubler",
        input="input_vector ARRAY<ARRAY<FLOAT>>",
        output="output_vector ARRAY<FLOAT>",
        options={"model-version": "1", "flatten-batch-dim": "true"},
        types={"id": "BIGINT", "features": "ARRAY<ARRAY<FLOAT>>"},
        rows=[(1, [[0.5] * 128]), (2, [[1.0, 2.0]])],
        given="features",
        select=("id, output_vector", ""),
        answers=[(1, [1.0] * 128), (2, [2.0, 4.0])],
    ),
    ModuleExample(
        shows="every option of a production job: retries, breaker, health checks, a default",
        served="my_model",
        input="features ARRAY<FLOAT>",
        output="prediction FLOAT",
        options={
            "model-version": "latest",
            "timeout": "15000",
            "priority": "100",
            "compression": "gzip",
            "max-retries": "1",
            "retry-initial-backoff": "10ms",
            "retry-max-backoff": "1s",
            "circuit-breaker-enabled": "true",
            "circuit-breaker-failure-threshold": "0.9",
            "circuit-breaker-timeout": "5s",
            "circuit-breaker-half-open-requests": "2",
            "health-check-enabled": "true",
            "health-check-interval": "1s",
            "default-value": "-1",
        },
        types={"id": "INT", "features": "ARRAY<FLOAT>"},
        rows=[(1, [1.0, 2.0, 3.0]), (2, [-5.0, 0.0, 0.0])],
        given="features",
        select=("id, prediction", ""),
        answers=[(1, 2.0), (2, -1.0)],
    ),
)
