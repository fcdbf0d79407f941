"""The data as a distribution of its own: the project that its wheel is built of."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import canonicalize_name

from compatmatrix import __version__
from compatmatrix.analysis.support import View
from compatmatrix.config.toml_errors import toml
from compatmatrix.publish import json_data

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = {name_in_toml}
version = {data_version}
description = {description}
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["compatmatrix>={engine}"]
classifiers = ["Intended Audience :: Developers", "Typing :: Typed"]

[project.scripts]
{name} = "{module}:main"

[tool.hatch.build.targets.wheel]
packages = ["{module}"]
"""

_README = """\
# {name}

Which releases of {title} work beside which {companion}, as of {day}: the data, and a command that answers from it without network.

```console
{name} check                     # the lock, requirements or ranges of this folder
{name} check --python .venv      # what is installed
{name} explain < traceback.txt   # what is known of an error
{name} recipe --python .venv     # what works with these versions
{name} constraints {subject}=={version}
```

```python
import {module}

known = {module}.load()
print(known.pair({subject_word}="{version}", {companion_word}="…").standing)
```
"""

_MODULE = """\
\"\"\"What is known of {title}, as of {day}.\"\"\"

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import compatmatrix

if TYPE_CHECKING:
    from compatmatrix.analysis.compatibility import Compatibility

__all__ = ["DATA", "load"]

DATA = Path(__file__).with_name("compatibility.json")
\"\"\"The data; compatibility.schema.json beside it describes them.\"\"\"


def load() -> Compatibility:
    \"\"\"All that is known, as it can be asked by a program.\"\"\"
    return compatmatrix.load(DATA)


def main() -> int:
    \"\"\"Give a command of compatmatrix that answers from the data.\"\"\"
    from compatmatrix.cli.main import main

    words = sys.argv[1:]
    data = ["--data", str(DATA)] if words and not words[0].startswith("-") else []
    return main([*words[:1], *data, *words[1:]], "{name}")
"""


def name(view: View) -> str:
    """The distribution's name."""
    return view.config.publish.distribution or f"{canonicalize_name(view.config.subject.name)}-compatibility"


def files(view: View) -> Mapping[str, bytes]:
    """Path -> bytes of the project; its version is the day of the newest record."""
    subject, companions = view.config.subject, view.config.companions
    words = {
        "name": name(view),
        "module": name(view).replace("-", "_"),
        "title": subject.display_name,
        "subject": subject.name,
        "subject_word": subject.name.replace("-", "_"),
        "companion": companions[0].name if companions else "package",
        "companion_word": (companions[0].name if companions else "companion").replace("-", "_"),
        "version": view.latest.version if view.latest else "VERSION",
        "day": view.as_of,
        "engine": __version__,
        "name_in_toml": toml(name(view)),
        "data_version": toml(".".join(part.lstrip("0") for part in view.as_of.split("-")) or "0"),
        "description": toml(f"Which releases of {subject.display_name} work beside which companions: the data"),
    }
    module = words["module"]
    return {
        "pyproject.toml": _PYPROJECT.format_map(words).encode(),
        "README.md": _README.format_map(words).encode(),
        f"{module}/__init__.py": _MODULE.format_map(words).encode(),
        f"{module}/py.typed": b"",
        f"{module}/compatibility.json": json_data.compact_json(view),
        f"{module}/compatibility.schema.json": json_data.schema_json(),
    }
