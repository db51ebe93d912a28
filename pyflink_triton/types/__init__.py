"""Flink's SQL types and Triton's datatypes.

This package knows which types fit each other, how values become the bytes of tensors and come back, and what a user
writes in SQL where two types do not fit.
"""
