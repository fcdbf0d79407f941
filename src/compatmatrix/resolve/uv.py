"""Runs uv: its environment, its index options, its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock as Mutex

from uv import find_uv_bin

from compatmatrix.config.tables import Index
from compatmatrix.core import processes
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import cache_folder

SECONDS = 600
"""Time limit of one call."""

SHARED_SECONDS = {"api": 60, "files": 86_400}
"""How long what was read of the index counts for other resolutions: pages, and files, which an index does not replace."""

# Settings of the user that would change what is resolved or where it is installed. Settings of credentials, the cache,
# certificates and the network are inherited.
_NOT_INHERITED = (
    "UV_EXCLUDE_NEWER",
    "UV_PYTHON",
    "UV_RESOLUTION",
    "UV_PRERELEASE",
    "UV_CONSTRAINT",
    "UV_OVERRIDE",
    "UV_BUILD_CONSTRAINT",
    "UV_INDEX_STRATEGY",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_BINARY",
    "UV_COMPILE_BYTECODE",
    "UV_TARGET",
    "UV_SYSTEM_PYTHON",
    "UV_OFFLINE",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONDONTWRITEBYTECODE",
)


class Refused(Exception):
    """uv did its work and the answer is negative (its exit code 1); the text says why (see `uv_errors`)."""


def run(
    arguments: Sequence[str | Path],
    *,
    stdin: str | None = None,
    environ: Mapping[str, str] = os.environ,
    connections: int = 2,
) -> str:
    """Run uv and return its standard output.

    Args:
        connections: how many it may open to the index, unless the environment says. uv's default is fifty; several uv
            at once would open so many that an index stalls some of them for seconds.

    Raises:
        Refused: uv ended with exit code 1.
        InfrastructureError: it could not be run, did not end in time, or ended with another exit code.
    """
    options = ("--no-config", "--no-progress", "--color", "never")
    command = processes.die_with_parent([binary(), *map(str, arguments), *options])
    clean = {name: value for name, value in environ.items() if name not in _NOT_INHERITED}
    clean.setdefault("UV_CACHE_DIR", str(cache_folder() / "uv"))
    clean.setdefault("UV_CONCURRENT_DOWNLOADS", str(connections))
    clean["UV_NO_WRAP"] = "1"  # a line broken at the width of a terminal would hide what `uv_errors` looks for
    name = f"uv {arguments[0]} {arguments[1]}"
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            _RUNNING.add(process)
            try:
                out, err = process.communicate(stdin, timeout=SECONDS)
            except BaseException:
                process.kill()
                raise
            finally:
                _RUNNING.discard(process)
    except subprocess.TimeoutExpired:
        raise InfrastructureError(f"{name} did not end within {SECONDS} s") from None
    except OSError as error:
        raise InfrastructureError(f"uv cannot be run: {error}") from None
    if process.returncode == 0:
        return out
    text = (err or out).strip()
    if process.returncode == 1:
        raise Refused(text)
    raise InfrastructureError(f"{name} failed ({process.returncode}): {text[-2000:]}")


_RUNNING: set[subprocess.Popen[str]] = set()


def stop() -> None:
    """Kill the running uv processes of all threads, on interrupt."""
    for process in tuple(_RUNNING):
        process.kill()


def index_arguments(index: Index, further: Sequence[str] = ()) -> list[str]:
    """Options that take the best version over all indexes, whichever has it.

    Args:
        further: addresses besides those of the configuration.
    """
    extra = [part for address in (*index.extra, *further) for part in ("--index", address)]
    return ["--default-index", index.url, *extra, "--index-strategy", "unsafe-best-match"]


def sharing_arguments(index: Index, folder: Path) -> list[str]:
    """As `index_arguments`; many calls ask the index once, also one that says of no answer how long it holds.

    What is older than `SHARED_SECONDS` is asked for again, whatever the index says. ``--refresh-package`` has no effect
    beside this.

    Args:
        folder: where the settings are written, for which uv has no option.
    """
    ages = ", ".join(f'{kind} = "max-age={seconds}"' for kind, seconds in SHARED_SECONDS.items())
    addresses = map(json.dumps, (*index.extra, index.url))
    indexes = [f"[[index]]\nurl = {address}\ncache-control = {{ {ages} }}\n" for address in addresses]
    settings = folder / "uv.toml"
    settings.write_text("".join([*indexes, "default = true\n"]), encoding="utf-8")
    return ["--config-file", str(settings), "--index-strategy", "unsafe-best-match"]


def project(dependencies: Sequence[str], bound: Mapping[str, str]) -> str:
    """A pyproject.toml with these dependencies, the bound ones (name -> index) from their own index alone.

    uv has no option for this; the binding holds only for direct dependencies of the project.
    """
    names = {address: f"index-{number}" for number, address in enumerate(dict.fromkeys(bound.values()))}
    sources = [f'"{package}" = {{ index = "{names[address]}" }}' for package, address in bound.items()]
    indexes = [f'[[tool.uv.index]]\nname = "{name}"\nurl = "{url}"\nexplicit = true' for url, name in names.items()]
    head = f'[project]\nname = "a-cell"\nversion = "0"\ndependencies = {json.dumps(list(dependencies))}'
    return "\n\n".join([head, "\n".join(["[tool.uv.sources]", *sources]), *indexes]) + "\n"


_FIND = cache(find_uv_bin)
_FIND_MUTEX = Mutex()


def binary() -> str:
    """Absolute path of the uv that was installed with the engine."""
    # One thread at a time: sysconfig, which find_uv_bin uses, fills its cache in a way that is not thread-safe.
    with _FIND_MUTEX:
        return _FIND()
