"""kserve's Python server with models for tests. It runs in an environment of its own: see `tests/support/kserve.py`."""

import sys

import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import RequestedOutput
from kserve.utils.utils import generate_uuid, get_predict_response

DATATYPES = ["bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "fp32", "fp64", "bytes"]
SHAPES = {"": [-1, 1], "_array": [-1, -1], "_nested": [-1, -1, -1], "_nobatch": [1]}


class Served(Model):
    """A model that says what it takes and gives.

    Args:
        name: Its name.
        inputs: Its inputs: names to datatypes and shapes.
        outputs: Its outputs.
        work: Makes arrays of arrays, by name.
        form: How it answers: `asked` gives binary outputs where each is asked for so, `parameter` where the request's
            parameter asks for all, `mixed` each second one, `json` none, with an id of its own.
    """

    def __init__(self, name, inputs, outputs, work, form="asked"):
        super().__init__(name)
        self.inputs, self.outputs, self.work, self.form = inputs, outputs, work, form
        self.ready = True

    def get_input_types(self):
        return [{"name": name, "datatype": kind, "shape": shape} for name, (kind, shape) in self.inputs.items()]

    def get_output_types(self):
        return [{"name": name, "datatype": kind, "shape": shape} for name, (kind, shape) in self.outputs.items()]

    def predict(self, payload, headers=None):
        arrays = self.work({tensor.name: tensor.as_numpy() for tensor in payload.inputs}, payload)
        outputs = [
            InferOutput(name, list(array.shape), self.outputs[name][0] if name in self.outputs else "INT64", array)
            for name, array in arrays.items()
        ]
        if self.form == "json":
            return InferResponse(generate_uuid(), self.name, outputs)
        asked = payload.request_outputs
        if self.form == "parameter":
            asked = None
        if self.form == "mixed":
            asked = [RequestedOutput(each.name, {"binary_data": n % 2 == 0}) for n, each in enumerate(asked)]
        return InferResponse(
            payload.id,
            self.name,
            outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=asked,
        )


class Written(Model):
    """A model that writes the JSON of its answer itself: the values of its only output, the same for each row."""

    def __init__(self, name, datatype, shape, values, answered=None):
        super().__init__(name)
        self.datatype, self.shape, self.values, self.answered = datatype, shape, values, answered or datatype
        self.ready = True

    def get_input_types(self):
        return [{"name": "x", "datatype": "INT64", "shape": [-1, 1]}]

    def get_output_types(self):
        return [{"name": "y", "datatype": self.datatype, "shape": self.shape}]

    def predict(self, payload, headers=None):
        count = payload.inputs[0].shape[0]
        output = {"name": "y", "datatype": self.answered, "shape": [count, *self.shape[1:]], "data": self.values * count}
        return {"model_name": self.name, "id": "1", "outputs": [output]}


class Predictor(Model):
    """A model as those of kserve's own servers for scikit-learn and the like: it describes nothing."""

    def __init__(self, name):
        super().__init__(name)
        self.ready = True

    def predict(self, payload, headers=None):
        return get_predict_response(payload, payload.inputs[0].as_numpy().sum(axis=1), self.name)


class Late(Served):
    """A model that is never ready."""

    async def healthy(self):
        return False


def same(arrays, payload):
    return {"y": arrays["x"]}


def echo(arrays, payload):
    return {f"out{name[2:]}": array for name, array in arrays.items()}


def fails(arrays, payload):
    if (arrays["x"] < 0).any():
        raise ValueError("must not be negative")
    if (arrays["x"] == 400).any():
        raise InvalidInput("must not be 400")
    return {"y": arrays["x"]}


def rows(arrays, payload):
    return {"y": np.full_like(arrays["x"], len(arrays["x"]))}


def several(arrays, payload):
    score = (arrays["amount"] * arrays["account"] / 3).astype(np.float32)
    return {"score": score, "label": np.array([[text.upper() for text in row] for row in arrays["note"]], object)}


def parameter(arrays, payload):
    return {"y": np.array([[str(payload.parameters.get("k"))]] * len(arrays["x"]), object)}


def types(suffix, names, form):
    shape = SHAPES[suffix]
    inputs, outputs = (
        {f"{side}_{name}": (name.upper(), shape) for name in names} for side in ("in", "out")
    )
    return Served(f"types{suffix}_{form}", inputs, outputs, echo, form)


def one(name, datatype, work, form="asked", shape=(-1, 1), answered=None):
    shape = list(shape)
    return Served(name, {"x": (datatype, shape)}, {"y": (answered or datatype, shape)}, work, form)


def models():
    yield from (types(suffix, [*DATATYPES, "fp16"], form) for suffix in SHAPES for form in ("asked", "parameter"))
    yield from (types(suffix, DATATYPES, form) for suffix in SHAPES for form in ("json", "mixed"))
    yield from (one(f"same_{form}", "FP32", same, form) for form in ("asked", "json"))
    yield one("fails", "INT64", fails)
    yield one("rows", "INT64", rows)
    yield one("half", "FP16", same, "json")
    yield one("brain", "BF16", same)
    yield one("parameter", "INT64", parameter, answered="BYTES")
    yield Served("bare", {}, {}, same)
    yield Served("bare_json", {}, {}, same, "json")
    yield Predictor("iris")
    multi = {"amount": ("FP32", [-1, 1]), "account": ("INT64", [-1, 1]), "note": ("BYTES", [-1, 1])}
    yield Served("fraud", multi, {"score": ("FP32", [-1, 1]), "label": ("BYTES", [-1, 1])}, several)
    yield Late("late", {"x": ("INT64", [-1, 1])}, {"y": ("INT64", [-1, 1])}, same)
    yield Written("nested", "FP64", [-1, 2, 2], [[[0.1, 2], [3.0, 4.0]]])
    yield Written("beyond", "INT8", [-1, 1], [128])
    yield Written("written", "INT64", [-1, 1], ["1"])
    yield Written("null", "INT64", [-1, 1], [None])
    yield Written("few", "INT64", [-1, 2], [1])
    yield Written("uneven", "INT64", [-1, 2], [[1], 2])
    yield Written("wrong", "INT32", [-1, 1], [1], answered="INT64")


if __name__ == "__main__":
    ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1, enable_latency_logging=False).start(list(models()))
