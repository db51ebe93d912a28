"""How many rows an operator hands over at once; the shim and PyFlink's functions have the same limits."""

#: The most rows of a batch.
BATCH_ROWS = 256
#: The most batches under way: three quarters of the rows that the operator holds (``planning``), so that a full batch
#: waits whenever one is answered.
BATCHES_IN_FLIGHT = 6
