"""Arrow columns to the bytes of tensors and back.

It encodes, decodes, cuts batches, and puts answered rows back in their order. Everything works on whole columns.
"""
