"""Which proxies of the environment stand before a model's endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from pyflink_triton.options.options import Options


def environment_proxies(options: Options) -> Mapping[str, str]:
    """The URL of the proxy of each endpoint's origin, where proxies of the environment are used and it has one.

    Args:
        options: The model's options.
    """
    if not options.proxy_from_environment:
        return {}
    known = getproxies_environment()
    found = {}
    for endpoint in options.every_endpoint:
        parts = urlsplit(endpoint)
        proxy = known.get(parts.scheme)
        if proxy and parts.hostname and not proxy_bypass(parts.netloc, known):
            found[f"{parts.scheme}://{parts.netloc}"] = proxy if "://" in proxy else f"http://{proxy}"
    return found
