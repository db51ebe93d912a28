"""A small language model, with the inputs and outputs of Triton's vLLM backend.

The network is that of textgenrnn (MIT licence), a package on PyPI that brings its weights: two LSTM layers with
attention over the last 40 characters, trained on titles of forum posts. A token is a character.
"""

import json
import queue
import threading
from pathlib import Path

import h5py
import numpy as np
import triton_python_backend_utils as pb

WINDOW = 40
END = "<s>"
#: How many requests are worked on at once; the others wait.
WORKERS = 4


class Network:
    """Gives the probabilities of the next character.

    Args:
        directory: Where the package's files are.
    """

    def __init__(self, directory):
        vocabulary = json.loads((directory / "textgenrnn_vocab.json").read_bytes())
        self.ids = vocabulary
        self.characters = {number: character for character, number in vocabulary.items()}
        with h5py.File(directory / "textgenrnn_weights.hdf5") as file:
            self.embeddings = file["embedding/embedding/embeddings:0"][:]
            self.layers = [self.layer(file[f"{name}/{name}"]) for name in ("rnn_1", "rnn_2")]
            self.attention = file["attention/attention/attention_W:0"][:, 0]
            self.kernel, self.bias = file["output/output/kernel:0"][:], file["output/output/bias:0"][:]

    @staticmethod
    def layer(group):
        """The weights as cuDNN orders them, as those of one matrix product a step."""
        kernel, recurrent = group["kernel:0"][:], group["recurrent_kernel:0"][:]
        gates = [gate.T.reshape(gate.shape, order="F") for gate in np.split(kernel, 4, axis=1)]
        return (
            np.hstack(gates),
            np.hstack([gate.T for gate in np.split(recurrent, 4, axis=1)]),
            group["bias:0"][:].reshape(2, -1).sum(axis=0),
        )

    def next(self, text):
        """The probabilities of each character after a text."""
        ids = [self.ids.get(character, 0) for character in text[-WINDOW:]]
        inputs = self.embeddings[[0] * (WINDOW - len(ids)) + ids]
        first = lstm(inputs, *self.layers[0])
        steps = np.concatenate([inputs, first, lstm(first, *self.layers[1])], axis=1)
        weights = softmax(steps @ self.attention)
        return softmax(weights @ steps @ self.kernel + self.bias)


def lstm(inputs, kernel, recurrent, bias):
    size = recurrent.shape[0]
    hidden, cell = np.zeros(size), np.zeros(size)
    outputs = []
    for step in inputs @ kernel + bias:
        gates = step + hidden @ recurrent
        enter, forget, leave = (sigmoid(gates[at * size : (at + 1) * size]) for at in (0, 1, 3))
        cell = forget * cell + enter * np.tanh(gates[2 * size : 3 * size])
        hidden = leave * np.tanh(cell)
        outputs.append(hidden)
    return np.array(outputs)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


class TritonPythonModel:
    """Answers a request with one response, or with a response for each character."""

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
                sender.send(pb.InferenceResponse(error=pb.TritonError(f"{type(error).__name__}: {error}")))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def answer(self, request, sender):
        prompt = value(request, "text_input", b"").decode()
        parameters = json.loads(value(request, "sampling_parameters", b"{}"))
        # vLLM takes parameters of the request, too, and the input counts more.
        parameters = {**json.loads(request.parameters() or "{}"), **parameters}
        streams = bool(value(request, "stream", False))
        leaves_out_prompt = bool(value(request, "exclude_input_in_output", streams))
        pieces = self.generate(prompt, parameters)
        if streams:
            for piece in pieces:
                if request.is_cancelled():
                    return
                sender.send(response(piece, 1))
            return
        text = list(pieces)
        sender.send(response(("" if leaves_out_prompt else prompt) + "".join(text), len(text)))

    def generate(self, prompt, parameters):
        """Yield characters until the text ends, or one of `stop` is there, or there are `max_tokens`."""
        random = np.random.default_rng(int(parameters.get("seed", 0)))
        temperature = float(parameters.get("temperature", 0.0))
        stops = parameters.get("stop", [])
        stops = [stops] if isinstance(stops, str) else stops
        text = [END, *prompt]
        written = ""
        for _ in range(int(parameters.get("max_tokens", 16))):
            chances = self.network.next(text)
            chances[0] = 0
            if temperature > 0:
                chances = softmax(np.log(chances + 1e-9) / temperature)
                number = int(random.choice(len(chances), p=chances))
            else:
                number = int(chances.argmax())
            character = self.network.characters.get(number, "")
            if character == END:
                return
            text.append(character)
            written += character
            yield character
            if any(written.endswith(stop) for stop in stops if stop):
                return


def value(request, name, default):
    tensor = pb.get_input_tensor_by_name(request, name)
    return default if tensor is None else tensor.as_numpy().reshape(-1)[0]


def response(text, tokens):
    return pb.InferenceResponse(
        [
            pb.Tensor("text_output", np.array([text.encode()], np.object_)),
            pb.Tensor("num_output_tokens", np.array([tokens], np.uint32)),
        ]
    )
