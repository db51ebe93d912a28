"""A model in use: planning asks the server, a task opens the model, and batches of rows are predicted.

The front doors call this package, and nothing below it does.
"""
