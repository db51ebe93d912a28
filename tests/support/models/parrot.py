"""Gives a prompt back, with the inputs of TensorRT-LLM's models: at once, or word by word where the request streams.

Where the configuration has the parameter `grows`, each response is the text so far, else it is the new word.
"""

import json
import re

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.is_decoupled = pb.using_decoupled_model_transaction_policy(config)
        self.shape = (1, 1) if config["max_batch_size"] else (1,)
        self.grows = "grows" in config["parameters"]

    def execute(self, requests):
        if not self.is_decoupled:
            return [self.response("".join(words(request))) for request in requests]
        for request in requests:
            sender = request.get_response_sender()
            for text in self.parts(request):
                sender.send(self.response(text))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def parts(self, request):
        text = words(request)
        if not (value(request, "stream") or value(request, "streaming")):
            return ["".join(text)]
        return ["".join(text[: place + 1]) for place in range(len(text))] if self.grows else text

    def response(self, text):
        return pb.InferenceResponse(
            [pb.Tensor("text_output", np.array([text.encode()], np.object_).reshape(self.shape))]
        )


def words(request):
    """The words of the prompt, as many as the request wants, up to the first stop word."""
    text = value(request, "text_input").decode()
    stops = pb.get_input_tensor_by_name(request, "stop_words")
    for stop in [] if stops is None else stops.as_numpy().ravel():
        text = text.partition(stop.decode())[0]
    most = value(request, "max_tokens") or value(request, "sampling_param_max_tokens")
    return re.findall(r"\S+\s*", text)[:most]


def value(request, name):
    tensor = pb.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy().ravel()[0]
