"""The models that the specification's statements name, as a table of their own: only its tests load them."""

from __future__ import annotations

from model_repository import Model, Tensor

_SEQUENCES = """sequence_batching { max_sequence_idle_microseconds: 60000000
  control_input [
    { name: "START", control { kind: CONTROL_SEQUENCE_START, int32_false_true: [ 0, 1 ] } },
    { name: "END", control { kind: CONTROL_SEQUENCE_END, int32_false_true: [ 0, 1 ] } },
    { name: "CORRID", control { kind: CONTROL_SEQUENCE_CORRID, data_type: TYPE_UINT64 } } ]
  oldest { max_candidate_sequences: 1024 } }"""

SPEC_MODELS: tuple[Model, ...] = (
    Model("sentiment_model", [Tensor("text", "BYTES")], [Tensor("sentiment_score", "FP32")], "sentiment_model"),
    Model(
        "bert_classifier",
        [Tensor("text", "BYTES")],
        [Tensor("category", "BYTES"), Tensor("confidence", "FP32")],
        "bert_classifier",
    ),
    Model(
        "resnet50",
        [Tensor("image_pixels", "FP32", (3, 2, 2))],
        [Tensor("predicted_class", "BYTES"), Tensor("confidence", "FP32")],
        "image_classifier",
    ),
    Model(
        "high_res_classifier",
        [Tensor("image_pixels", "FP32", (3, -1, -1))],
        [Tensor("predicted_class", "BYTES"), Tensor("confidence", "FP32")],
        "image_classifier",
    ),
    Model(
        "product_recommender",
        [Tensor("user_id", "INT64"), Tensor("user_features", "FP32", (4,)), Tensor("context", "BYTES")],
        [Tensor("recommended_products", "BYTES", (2,))],
        "product_recommender",
        versions=(2,),
    ),
    Model(
        "fraud_detection_model",
        [
            Tensor("transaction_features", "FP32", (3,)),
            Tensor("user_history", "FP32", (-1,)),
            Tensor("device_info", "BYTES"),
        ],
        [Tensor("fraud_score", "FP32")],
        "fraud_detection_model",
        extra="dynamic_batching { priority_levels: 10, default_priority_level: 5 }",
    ),
    # As many entities as a text has: rows of one request could not differ, so there is no batch axis.
    Model(
        "bert_ner",
        [Tensor("document_text", "BYTES")],
        [Tensor("entities", "BYTES", (-1,)), Tensor("entity_types", "BYTES", (-1,))],
        "bert_ner",
        max_batch_size=0,
    ),
    Model(
        "chatbot_rnn",
        [Tensor("message", "BYTES")],
        [Tensor("reply", "BYTES")],
        "chatbot_rnn",
        extra=_SEQUENCES,
    ),
    Model(
        "lstm_predictor",
        [Tensor("x", "FP32")],
        [Tensor("forecast", "FP32")],
        "lstm_predictor",
        extra=_SEQUENCES,
    ),
    Model("my_model", [Tensor("features", "FP32", (3,))], [Tensor("prediction", "FP32")], "my_model"),
    Model("private_model", [Tensor("data", "BYTES")], [Tensor("result", "BYTES")], "upper"),
    Model(
        "payment_risk",
        [
            Tensor("user_id", "INT64"),
            Tensor("amount", "FP64"),
            Tensor("merchant_id", "BYTES"),
            Tensor("device_fingerprint", "BYTES"),
        ],
        [Tensor("fraud_score", "FP32")],
        "payment_risk",
    ),
    Model("doubler", [Tensor("input_vector", "FP32", (-1,))], [Tensor("output_vector", "FP32", (-1,))], "double"),
)
