"""Adds the addresses of the project to the engine's metadata: those of the repository that `[publish]` of matrix.toml names."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Addresses(MetadataHookInterface):
    """There is no other place for the address: the project can be kept in any fork, and a fork sets it there."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set ``project.urls``; a source distribution has no matrix.toml, and its own metadata say them."""
        file = Path(self.root) / "matrix.toml"
        tree = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        repository = str(tree.get("publish", {}).get("repository", "")).rstrip("/")
        pages = {"Repository": "", "Issues": "/issues", "Changelog": "/blob/main/CHANGELOG.md"}
        metadata["urls"] = {name: repository + path for name, path in pages.items()} if repository else {}
