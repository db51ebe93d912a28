"""How the columns of a statement meet the tensors of the model.

Columns are declared in the statement, passed to a function, or derived from the model. All of this happens once, while
the statement is planned. No row comes this way.
"""
