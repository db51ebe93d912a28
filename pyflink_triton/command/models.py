"""`pyflink-triton models`: what a server has, in which versions and states, and of which kind each model is."""

from __future__ import annotations

from pyflink_triton.command.console import Json
from pyflink_triton.command.server import Endpoint, Settings, ask, with_endpoint


def models(endpoint: Endpoint, option: Settings = None, json: Json = False) -> None:
    """List the models of a server: name, state, versions, kind."""
    from pyflink_triton.command.model_list import list_models, print_models

    print_models(ask(list_models(with_endpoint(endpoint, option))), endpoint, json=json)
