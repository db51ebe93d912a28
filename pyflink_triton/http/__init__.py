"""Calls over HTTP: connections, TLS, credentials and compression.

It knows no rows, and no option that says what becomes of a failed one.
"""
