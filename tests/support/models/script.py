"""Answers as the request's script says, which is JSON: a list of steps.

Steps: a text, which is one response; {"outputs": {...}}, a response with these outputs, whose texts may have another
"encoding"; {"parameters": 1}, the request's parameters as a text; {"inputs": 1}, its other inputs as one; {"sleep": seconds}; {"error": message}, a response
that is an error; {"exit": code}, the end of the model's process.
Each request runs in a thread of its own, as those of a language model do. The file that SCRIPT_LOG names gets a line
when a stream has begun, has given its first text, is cancelled, or ends.
"""

import json
import os
import threading
import time

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        outputs = json.loads(args["model_config"])["output"]
        self.types = {each["name"]: pb.triton_string_to_numpy(each["data_type"]) for each in outputs}
        self.log = os.environ.get("SCRIPT_LOG")

    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.answer, args=(request,), daemon=True).start()

    def answer(self, request):
        script = json.loads(pb.get_input_tensor_by_name(request, "script").as_numpy().reshape(-1)[0])
        sender = request.get_response_sender()
        self.note("begun")
        answered = False
        for step in script:
            if request.is_cancelled():
                self.note("cancelled")
                break
            if isinstance(step, str):
                sender.send(self.response({"text": [step]}))
                if not answered:
                    self.note("answered")
                    answered = True
            elif "outputs" in step:
                sender.send(self.response(step["outputs"], step.get("encoding", "utf-8")))
            elif "sleep" in step:
                time.sleep(step["sleep"])
            elif "error" in step:
                sender.send(pb.InferenceResponse(error=pb.TritonError(step["error"])))
            elif "exit" in step:
                os._exit(step["exit"])
            elif "parameters" in step:
                parameters = json.loads(request.parameters())
                sender.send(self.response({"text": [json.dumps(parameters, sort_keys=True)]}))
            elif "inputs" in step:
                sender.send(self.response({"text": [json.dumps(values(request), sort_keys=True)]}))
        else:
            self.note("ended")
        sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def response(self, outputs, encoding="utf-8"):
        tensors = []
        for name, values in outputs.items():
            type_ = self.types[name]
            if type_ is object or type_ == np.object_:
                values = [value.encode(encoding) for value in values]
            tensors.append(pb.Tensor(name, np.array(values, type_)))
        return pb.InferenceResponse(tensors)

    def note(self, what):
        if self.log:
            with open(self.log, "a") as log:
                log.write(what + "\n")


def values(request):
    """The inputs of a request beside its script, flat; a float as the text of its bits."""
    found = {tensor.name(): tensor.as_numpy().reshape(-1) for tensor in request.inputs() if tensor.name() != "script"}
    return {
        name: [each.decode() for each in array] if array.dtype == object
        else [float(each).hex() for each in array] if array.dtype.kind == "f"
        else array.tolist()
        for name, array in found.items()
    }
