"""The messages of the KServe v2 protocol as Triton extends it, and what can go wrong before a message is there.

It knows no connection and no retry.
"""
