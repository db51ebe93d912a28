"""Which Flink the tests run with; `make test-versions` runs those that are marked `short` with an older one."""

from __future__ import annotations

from importlib import metadata

IS_FLINK_22 = metadata.version("apache-flink").startswith("2.2.")
