"""How the columns of a statement are bound to the tensors of the model.

Columns are declared in the statement, or derived from the model; a function call has arguments for them. All of this
happens when the statement is planned and when the job starts. Rows do not pass through here.
"""
