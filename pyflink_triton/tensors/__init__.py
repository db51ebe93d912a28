"""Turns Arrow columns into tensors, and the tensors of responses into Arrow columns.

It encodes columns, cuts a batch into requests, decodes outputs and puts rows back in their order. Everything works on
whole columns.
"""
