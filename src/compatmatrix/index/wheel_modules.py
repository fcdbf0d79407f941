"""The modules that a wheel brings, by the names of its files, and which of them a distribution is known by."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import PurePosixPath

from packaging.utils import canonicalize_name


def modules(files: Iterable[str]) -> tuple[str, ...]:
    """Dotted names of the modules and packages that are in no other package; in a namespace, those below it.

    Args:
        files: paths as in the wheel's RECORD.
    """
    sources = [path for path in map(PurePosixPath, files) if path.suffix in (".py", ".so", ".pyd")]
    stems = [(path.parent.parts, path.name.partition(".")[0]) for path in sources]
    packages = {folder for folder, stem in stems if stem == "__init__"}
    names = {folder if stem == "__init__" else (*folder, stem) for folder, stem in stems}
    top = (name for name in names if not any(name[:depth] in packages for depth in range(1, len(name))))
    return tuple(sorted(".".join(name) for name in top if name and all(part.isidentifier() for part in name)))


def main_module(distribution: str, names: Iterable[str]) -> str | None:
    """The module whose name is nearest to the distribution's, public ones first; None where there is none."""

    def distance(module: str) -> tuple[bool, float, str]:
        likeness = SequenceMatcher(None, canonicalize_name(distribution), canonicalize_name(module.replace(".", "-")))
        return module.startswith("_"), -likeness.ratio(), module

    return min(names, key=distance, default=None)
