"""What happens between a request that was written and its answer.

It says which endpoint gets it and when, what a failure means, what is sent again, and how a batch is split around a row
that the server refuses.
"""
