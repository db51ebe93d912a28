"""The command `doctor`: looks at everything between a statement and its model, and says what is wrong and what to do.

`examination` runs the checks in their order; each is a function that returns `findings`. They ask the server by the
transport and the planning that a job has, so that they cannot say something else than a job does.
"""
