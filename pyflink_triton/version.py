"""The version of the package, of the wheel and of the shim jar."""

__version__ = "0.1.0"
