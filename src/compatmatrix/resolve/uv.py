"""How uv is called: the one place that knows its command line, its environment and its ways to fail."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock as Mutex

from compatmatrix.config.matrix_file import Index
from compatmatrix.core import processes
from compatmatrix.core.files import cache_folder
from compatmatrix.core.model import InfrastructureError

SECONDS = 600

# Settings of the user's that would change what is resolved or where it goes; everything about the index and
# credentials, the cache and certificates stays.
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
    """uv answered, and the answer is no (its exit code 1): the text says why."""


def run(
    arguments: Sequence[str | Path],
    *,
    stdin: str | None = None,
    environ: Mapping[str, str] = os.environ,
    connections: int = 2,
) -> str:
    """Run uv and return its standard output.

    Args:
        connections: how many it may have with the index, unless the environment says. Several work at once, each with
            fifty if it is let, and an index stalls some of so many for seconds.

    Raises:
        Refused: uv ended with 1, its code for "done, and the answer is no".
        InfrastructureError: it could not be run, did not end in time, or failed in any other way.
    """
    options = ("--no-config", "--no-progress", "--color", "never")
    command = processes.die_with_parent([binary(), *map(str, arguments), *options])
    clean = {name: value for name, value in environ.items() if name not in _NOT_INHERITED}
    clean.setdefault("UV_CACHE_DIR", str(cache_folder() / "uv"))
    clean.setdefault("UV_CONCURRENT_DOWNLOADS", str(connections))
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
    """End every uv that is at work, in whatever thread: somebody is waiting for us to leave."""
    for process in tuple(_RUNNING):
        process.kill()


def index_arguments(index: Index, further: Sequence[str] = ()) -> list[str]:
    """The best version over all indexes wins, wherever it is."""
    extra = [part for address in (*index.extra, *further) for part in ("--index", address)]
    return ["--default-index", index.url, *extra, "--index-strategy", "unsafe-best-match"]


def project(dependencies: Sequence[str], bound: Mapping[str, str]) -> str:
    """A pyproject.toml that asks for the dependencies, the bound ones (name -> index) from their own index alone.

    Only a project's file can say that, and it says so only of packages that the project asks for itself.
    """
    names = {address: f"index-{number}" for number, address in enumerate(dict.fromkeys(bound.values()))}
    sources = [f'"{package}" = {{ index = "{names[address]}" }}' for package, address in bound.items()]
    indexes = [f'[[tool.uv.index]]\nname = "{name}"\nurl = "{url}"\nexplicit = true' for url, name in names.items()]
    asked = f'[project]\nname = "a-cell"\nversion = "0"\ndependencies = {json.dumps(list(dependencies))}'
    return "\n\n".join([asked, "\n".join(["[tool.uv.sources]", *sources]), *indexes]) + "\n"


_FINDING = Mutex()


def binary() -> str:
    """Absolute path of the uv that was installed with the engine."""
    # One thread at a time: looked for by several at once, sysconfig hands out variables that it has not read yet.
    with _FINDING:
        return _found()


@cache
def _found() -> str:
    from uv import find_uv_bin

    return find_uv_bin()
