"""A pytest plugin: how often jax compiled in this process, and for how long; written to the file that BENCH_COMPILATIONS names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

found: list[float] = []


def pytest_configure(config: pytest.Config) -> None:
    """Listen to jax before the first probe compiles anything."""
    from jax import monitoring

    def listen(event: str, seconds: float, **more: object) -> None:
        if event.endswith("backend_compile_duration"):
            found.append(seconds)

    monitoring.register_event_duration_secs_listener(listen)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was heard."""
    Path(os.environ["BENCH_COMPILATIONS"]).write_text(json.dumps([len(found), sum(found)]), encoding="utf-8")
