"""The options of a model: each is declared once, with its parser, its default and its description.

Users write values as text. Validation makes one frozen `Options` of them, or raises an error that names the option.
"""
