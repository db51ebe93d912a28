"""The network of textgenrnn (MIT licence), a package on PyPI that brings its weights.

Two LSTM layers with attention over the last 40 characters, 460,000 weights, trained on titles of forum posts.
"""

import json

import h5py
import numpy as np

WINDOW = 40
#: The token that begins and ends a text.
END = "<s>"


class Network:
    """Gives the probabilities of the next character.

    Args:
        directory: Where the package's files are.
    """

    def __init__(self, directory):
        self.numbers = json.loads((directory / "textgenrnn_vocab.json").read_bytes())
        #: The number of each token; 0 stands for nothing.
        self.characters = {number: character for character, number in self.numbers.items() if number}
        with h5py.File(directory / "textgenrnn_weights.hdf5") as file:
            self.embeddings = file["embedding/embedding/embeddings:0"][:]
            self.layers = [layer(file[f"{name}/{name}"]) for name in ("rnn_1", "rnn_2")]
            self.attention = file["attention/attention/attention_W:0"][:, 0]
            self.kernel, self.bias = file["output/output/kernel:0"][:], file["output/output/bias:0"][:]

    def next(self, *characters):
        """The probability of each token after some tokens."""
        numbers = [self.numbers.get(character, 0) for character in characters[-WINDOW:]]
        inputs = self.embeddings[[0] * (WINDOW - len(numbers)) + numbers]
        first = lstm(inputs, *self.layers[0])
        steps = np.concatenate([inputs, first, lstm(first, *self.layers[1])], axis=1)
        return softmax(softmax(steps @ self.attention) @ steps @ self.kernel + self.bias)


def layer(group):
    """The weights, which are in the order of cuDNN, as those of one matrix product a step."""
    kernels, recurrent = (np.split(group[name][:], 4, axis=1) for name in ("kernel:0", "recurrent_kernel:0"))
    return (
        np.hstack([gate.T.reshape(gate.shape, order="F") for gate in kernels]),
        np.hstack([gate.T for gate in recurrent]),
        group["bias:0"][:].reshape(2, -1).sum(axis=0),
    )


def lstm(inputs, kernel, recurrent, bias):
    size = len(recurrent)
    hidden, cell, outputs = np.zeros(size), np.zeros(size), []
    for step in inputs @ kernel + bias:
        enter, forget, new, leave = np.split(step + hidden @ recurrent, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
        hidden = sigmoid(leave) * np.tanh(cell)
        outputs.append(hidden)
    return np.array(outputs)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()
