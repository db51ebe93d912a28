"""Which models a server has ready."""

from __future__ import annotations

import json
import urllib.request

_SECONDS = 10


def ready_models(url: str) -> list[str]:
    """Return the names of the models that are ready, sorted; none where the server does not list them.

    Args:
        url: Of the server's HTTP endpoint.
    """
    request = urllib.request.Request(f"{url}/v2/repository/index", b'{"ready": true}', method="POST")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=_SECONDS) as response:
            return sorted({model["name"] for model in json.load(response)})
    except (OSError, ValueError, KeyError, TypeError):
        return []
