"""Fixtures that tests share."""

from triton import own_triton, triton

__all__ = ["own_triton", "triton"]
