"""The command `pyflink-triton`: a module for each of its commands, and what all of them print with.

Nothing here imports PyFlink or starts a Java before a command needs one: `pyflink-triton jar` stays as quick as a shell
script expects.
"""
