"""Sends one request of zeros before the first row, because a model's first inference is often slow."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

from pyflink_triton.delivery.request import Request, Sender
from pyflink_triton.errors import TritonError
from pyflink_triton.model.signature import ModelSignature, TensorSpec
from pyflink_triton.protocol.inference import InferenceRequest, InputTensor


async def warm_up(
    delivery: Sender,
    signature: ModelSignature,
    request: InferenceRequest,
    seconds: float,
) -> str | None:
    """Send one request of zeros: variable dims 1, BYTES empty, optional tensors left out where there are others.

    Args:
        delivery: Sends it.
        signature: The model.
        request: The request without its inputs.
        seconds: How long it may take, retries included.

    Returns:
        A warning if it failed; None if it was answered.
    """
    needed = [tensor for tensor in signature.inputs if not tensor.optional] or signature.inputs[:1]
    inputs = [_zeros(tensor, signature.has_batch_axis) for tensor in needed]
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        await delivery.send(Request(replace(request, inputs=inputs), deadline=deadline))
    except TritonError as error:
        return f"the warm-up request of zeros failed, and the job goes on: {error}"
    return None


def _zeros(tensor: TensorSpec, has_batch_axis: bool) -> InputTensor:
    inner = tensor.least_dims
    shape = (1, *inner) if has_batch_axis else inner
    # An empty BYTES element is a length of zero.
    return InputTensor(tensor, shape, (memoryview(bytes(tensor.datatype.itemsize * math.prod(inner))),))
