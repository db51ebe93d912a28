"""A model's vectorized function as bytes: made without PyFlink, loaded with it; and what imports what."""

from __future__ import annotations

import asyncio
import base64
import pickle
import subprocess
import sys
import threading
from typing import Any

from pyflink.table.udf import ScalarFunction
from triton import Triton

from pyflink_triton.bridge.planning_handlers import PLANNING_HANDLERS
from pyflink_triton.runtime.messages import OpenRequest
from pyflink_triton.table.model_thread import ModelThread

CALL: OpenRequest = {
    "model": "echo",
    "options": {"endpoint": "http://localhost:8000", "model-name": "echo", "auth-token": "${SECRET:canary}"},
    "input": [{"name": "x", "type": "BIGINT"}],
    "output": [{"name": "y", "type": "BIGINT"}],
}


def test_neither_the_package_nor_the_bridge_imports_pyflink_or_pandas() -> None:
    program = (
        "import sys, pyflink_triton, pyflink_triton.bridge.__main__; print({'pyflink', 'pandas'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_planning_gives_a_pickle_of_a_pyflink_function() -> None:
    async def ask() -> Any:
        return await PLANNING_HANDLERS["payload"]({"call": CALL})

    answer = asyncio.run(ask())
    pickled = base64.b64decode(answer["payload"])
    assert pickled[0] == 0x80  # what PyFlink's worker tells a pickle by
    assert b"${SECRET:canary}" in pickled
    function = pickle.loads(pickled)
    assert isinstance(function, ScalarFunction)
    assert function.is_deterministic()
    assert type(pickle.loads(pickle.dumps(function))) is type(function)


def test_a_closed_model_leaves_no_thread(triton: Triton) -> None:
    before = set(threading.enumerate())
    options = {"endpoint": triton.http_url, "model-name": "identity_int64"}
    request: OpenRequest = {**CALL, "options": options}
    model = ModelThread(request)
    assert set(threading.enumerate()) > before
    model.close()
    model.close()
    assert set(threading.enumerate()) == before
