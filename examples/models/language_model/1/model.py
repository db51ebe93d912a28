"""A small language model, with inputs, outputs and parameters of Triton's vLLM backend.

It takes `max_tokens`, `temperature`, `seed`, `stop` and `structured_outputs`. A token is a character.
"""

import json
import queue
import threading
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb
from constraint import Constraint
from network import END, Network

#: How many requests are worked on at once; the others wait.
WORKERS = 4
#: The defaults are vLLM's.
DEFAULTS = {"max_tokens": 16, "temperature": 1.0, "seed": None, "stop": [], "structured_outputs": "{}"}


class TritonPythonModel:
    """Answers a request with one response, or with one for each token."""

    def initialize(self, args):
        self.network = Network(Path(args["model_repository"]) / args["model_version"])
        self.waiting = queue.Queue()
        for _ in range(WORKERS):
            threading.Thread(target=self.work, daemon=True).start()

    def execute(self, requests):
        for request in requests:
            self.waiting.put(request)

    def work(self):
        while True:
            request = self.waiting.get()
            sender = request.get_response_sender()
            try:
                self.answer(request, sender)
            except Exception as error:
                sender.send(pb.InferenceResponse(error=pb.TritonError(f"Error generating stream: {error}")))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def answer(self, request, sender):
        prompt = value(request, "text_input", b"").decode()
        streams = bool(value(request, "stream", False))
        leaves_out_prompt = bool(value(request, "exclude_input_in_output", streams))
        if streams and not leaves_out_prompt:
            raise ValueError("When streaming, `exclude_input_in_output` = False is not allowed.")
        # As in vLLM: where the input is there, the parameters of the request do not count.
        given = value(request, "sampling_parameters", None) or request.parameters() or "{}"
        tokens = []
        for text, reason in self.generate(prompt, parameters_of(json.loads(given))):
            if request.is_cancelled():
                return
            if streams:
                sender.send(response(request, text, reason, 1))
            tokens.append(text)
        if not streams:
            tokens.insert(0, "" if leaves_out_prompt else prompt)
            sender.send(response(request, "".join(tokens), reason, len(tokens) - 1))

    def generate(self, prompt, parameters):
        """Yield the text of each token, and with that of the last one why it is the last."""
        constraint = Constraint(json.loads(parameters["structured_outputs"]), self.network.characters)
        stops = [parameters["stop"]] if isinstance(parameters["stop"], str) else parameters["stop"]
        # What may become a stop text is held back.
        most_held = max(map(len, stops), default=1) - 1
        random = np.random.default_rng(parameters["seed"])
        written, given = "", 0
        allowed = constraint.following(written)
        for count in range(1, parameters["max_tokens"] + 1):
            chances = self.network.next(END, *prompt, *written)
            character = self.network.characters[choose(chances, allowed, parameters["temperature"], random)]
            if character != END:
                written += character
                allowed = constraint.following(written)
            found = [written.index(stop) for stop in stops if stop in written]
            is_over = character == END or found or constraint.is_whole(allowed)
            reason = "stop" if is_over else "length" if count == parameters["max_tokens"] else None
            written = written[: min(found)] if found else written
            ready = len(written) if reason else max(given, len(written) - most_held)
            yield written[given:ready], reason
            given = ready
            if reason:
                return


def parameters_of(given):
    # The name before vLLM 0.11.
    given = {"structured_outputs" if name == "guided_decoding" else name: each for name, each in given.items()}
    unknown = sorted(set(given) - set(DEFAULTS))
    if unknown:
        raise ValueError(f"Unexpected keyword argument '{unknown[0]}'")
    parameters = {**DEFAULTS, **given}
    if parameters["max_tokens"] < 1:
        raise ValueError(f"max_tokens must be at least 1, got {parameters['max_tokens']}.")
    return parameters


def choose(chances, allowed, temperature, random):
    """A token among those that are allowed: the likeliest one, or one by chance."""
    chances = chances[allowed]
    if temperature == 0:
        return allowed[chances.argmax()]
    powers = (chances / chances.max()) ** (1 / temperature)
    return allowed[random.choice(len(allowed), p=powers / powers.sum())]


def value(request, name, default):
    tensor = pb.get_input_tensor_by_name(request, name)
    return default if tensor is None else tensor.as_numpy().reshape(-1)[0]


def response(request, text, reason, tokens):
    tensors = [pb.Tensor("text_output", np.array([text.encode()], np.object_))]
    if value(request, "return_finish_reason", False):
        tensors.append(pb.Tensor("finish_reason", np.array([str(reason).encode()], np.object_)))
    if value(request, "return_num_output_tokens", False):
        tensors.append(pb.Tensor("num_output_tokens", np.array([tokens], np.uint32)))
    return pb.InferenceResponse(tensors)
