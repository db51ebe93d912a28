"""The options of a model: each is declared once, with its parser, its default and its description.

Values that a user wrote come in as text. They leave as one frozen `Options`, or as an error that names the option.
"""
