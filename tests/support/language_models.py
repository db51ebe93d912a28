"""A Triton with the language model of examples/, and with models that have the signatures of vLLM and TensorRT-LLM.

The signatures are those that the sources of the backends write into a model's configuration, with some of the many
inputs of TensorRT-LLM. `vllm_model` is the example's network; the others give the prompt back.
"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cluster import clean_environment
from model_repository import Model, Tensor, write_repository
from places import ROOT
from triton import ARGUMENTS

from pyflink_triton.server import TritonServer

REQUIREMENTS = ("h5py", "regex")
_STREAMS = "model_transaction_policy { decoupled: true }"
_GROWS = 'parameters { key: "grows", value: { string_value: "true" } }'


def _optional(datatype: str, *names: str, dims: tuple[int, ...] = (1,)) -> list[Tensor]:
    return [Tensor(name, datatype, dims, optional=True) for name in names]


_TEXT = Tensor("text_output", "BYTES", (-1,))
_VLLM = Model(
    "vllm_model",
    [
        Tensor("text_input", "BYTES"),
        *_optional("BYTES", "image", dims=(-1,)),
        *_optional("BOOL", "stream"),
        *_optional("BYTES", "sampling_parameters"),
        *_optional("BOOL", "exclude_input_in_output", "return_finish_reason", "return_cumulative_logprob"),
        *_optional("BOOL", "return_logprobs", "return_num_input_tokens", "return_num_output_tokens"),
        *_optional("BYTES", "embedding_request"),
    ],
    [
        _TEXT,
        Tensor("finish_reason", "BYTES", (-1,)),
        Tensor("cumulative_logprob", "FP32", (-1,)),
        Tensor("logprobs", "BYTES", (-1,)),
        Tensor("num_input_tokens", "UINT32"),
        Tensor("num_output_tokens", "UINT32", (-1,)),
    ],
    "parrot",
    max_batch_size=0,
    extra=_STREAMS,
)
_LLM_API_INPUTS = [
    Tensor("text_input", "BYTES", (-1,)),
    *_optional("BOOL", "streaming"),
    *_optional("FP32", "sampling_param_temperature", "sampling_param_top_p"),
    *_optional("INT32", "sampling_param_top_k", "sampling_param_max_tokens"),
    *_optional("BYTES", "sampling_param_stop", dims=(-1,)),
    *_optional("UINT64", "sampling_param_seed"),
    *_optional("BOOL", "sampling_param_exclude_input_from_output", "return_finish_reason", "stop"),
]
_LLM_API_OUTPUTS = [_TEXT, Tensor("finish_reason", "BYTES", (-1,)), Tensor("cumulative_logprob", "FP32", (-1,))]
_INPUTS = [
    Tensor("text_input", "BYTES"),
    Tensor("max_tokens", "INT32"),
    *_optional("BYTES", "bad_words", "stop_words", dims=(-1,)),
    *_optional("BOOL", "exclude_input_in_output", "return_num_output_tokens", "stream"),
    *_optional("INT32", "top_k", "beam_width"),
    *_optional("FP32", "top_p", "temperature"),
    *_optional("UINT64", "seed"),
    *_optional("FP16", "lora_weights", dims=(-1, -1)),
    *_optional("BYTES", "guided_decoding_guide_type", "guided_decoding_guide"),
]
_MAP = ", ".join(f'{{ key: "{tensor.name}", value: "{tensor.name}" }}' for tensor in _INPUTS)
_STEP = f"""ensemble_scheduling {{ step [ {{ model_name: "tensorrt_llm_step", model_version: -1,
  input_map [ {_MAP} ], output_map {{ key: "text_output", value: "text_output" }} }} ] }}
platform: "ensemble" """
TENSORRT_LLM = (
    Model("tensorrt_llm", _LLM_API_INPUTS, _LLM_API_OUTPUTS, "parrot", max_batch_size=0),
    Model(
        "tensorrt_llm_streaming",
        _LLM_API_INPUTS,
        _LLM_API_OUTPUTS,
        "parrot",
        max_batch_size=0,
        extra=f"{_STREAMS}\n{_GROWS}",
    ),
    Model("tensorrt_llm_step", _INPUTS, [_TEXT], "parrot", max_batch_size=8, extra=_STREAMS),
    Model("ensemble", _INPUTS, [_TEXT], None, max_batch_size=8, extra=_STEP),
    Model("tensorrt_llm_bls", _INPUTS, [_TEXT], "parrot", max_batch_size=8, extra=f"{_STREAMS}\n{_GROWS}"),
)


@contextmanager
def language_models(directory: Path) -> Iterator[str]:
    """Serve them all; gives the server's URL."""
    repository = directory / "models"
    example = [sys.executable, str(ROOT / "examples" / "language_model.py"), "--prepare", str(repository)]
    done = subprocess.run(example, env=clean_environment(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    write_repository(repository, [_VLLM, *TENSORRT_LLM])
    shutil.copytree(repository / "language_model" / "1", repository / "vllm_model" / "1", dirs_exist_ok=True)
    with TritonServer(repository, arguments=ARGUMENTS, requirements=REQUIREMENTS) as server:
        yield server.http_url


def ask(url: str, prompt: str, **parameters: Any) -> list[dict[str, Any]]:
    """The events that the example's model answers with, asked without anything of this package."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        body = json.dumps({"text_input": prompt, "stream": True, "parameters": parameters})
        connection.request("POST", "/v2/models/language_model/generate_stream", body)
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return [json.loads(event.removeprefix("data: ")) for event in text.split("\n\n") if event]


def answer(url: str, prompt: str, **parameters: Any) -> str:
    """The text that the example's model answers with."""
    return "".join(event["text_output"] for event in ask(url, prompt, **parameters))
