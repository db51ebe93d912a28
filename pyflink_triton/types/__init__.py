"""Flink's SQL types and Triton's datatypes.

They say which values of one type fit the other, and what to write in SQL where they do not.
"""
