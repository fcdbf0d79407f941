"""Where the engine keeps what it can make again: lists of releases, locks, interpreters found, environments."""

from __future__ import annotations

import os
from pathlib import Path

SCRATCH_PREFIX = "cell-"
"""How the names of the folders begin that cells write to; what an interrupted run left is recognized by it."""


def cache_folder() -> Path:
    """``COMPATMATRIX_CACHE``, else the platform's folder for caches (XDG on Linux)."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("COMPATMATRIX_CACHE")
    return Path(chosen).absolute() if chosen else user_cache_path("compatmatrix")
