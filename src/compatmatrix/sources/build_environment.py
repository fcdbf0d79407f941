"""Builds the wheel of a folder of sources, without the user's home and secrets. Nothing is built anywhere else."""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from compatmatrix.config.tables import Index
from compatmatrix.core import untrusted_files
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.resolve import uv, uv_errors

# The environment variables that a build inherits: enough to run and to reach the index, no secrets.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "UV_CACHE_DIR", "UV_HTTP_TIMEOUT")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_NETWORK = ("SSL_CERT_FILE", "SSL_CERT_DIR", *_PROXIES, *map(str.lower, _PROXIES), "UV_HTTP_RETRIES", "UV_NATIVE_TLS")


class Failed(Exception):
    """The source cannot be built, which is its own fault; the text is the reason."""


class BuildTools(msgspec.Struct, frozen=True, kw_only=True):
    """The index for build tools, and the Pythons to build with, in order of preference.

    Attributes:
        find: the interpreter of a Python X.Y, None where this machine has none.
    """

    index: Index
    pythons: Sequence[str]
    find: Callable[[str], Path | None]

    def build(self, folder: Path, kept: Path, until: str | None) -> None:
        """Build a folder's wheel into the folder ``kept``.

        Args:
            until: use the build tools that were on the index at this instant, so that a commit is always built
                alike; None for today's.

        Raises:
            Failed: the source cannot be built.
            InfrastructureError: the index, the network or the disk failed, or time ran out.
        """
        with untrusted_files.temporary() as home:
            out = home / "out"
            arguments: list[str | Path] = ["build", "--wheel", "--out-dir", out, "--python", self._python(folder)]
            arguments += uv.index_arguments(self.index)
            if until:
                arguments += ["--exclude-newer", until]
            environ = {name: os.environ[name] for name in (*_INHERITED, *_NETWORK) if name in os.environ}
            environ |= {"HOME": str(home), "USERPROFILE": str(home)}
            try:
                uv.run([*arguments, folder], environ=environ)
            except (uv.Refused, InfrastructureError) as failure:
                if reason := uv_errors.unbuildable(str(failure), str(folder)):
                    raise Failed(reason) from None
                raise InfrastructureError(f"the wheel could not be built: {str(failure)[-1000:]}") from None
            keep(out, kept)

    def _python(self, folder: Path) -> Path:
        """The first Python that the sources' `requires-python` admits, if pyproject.toml has one, and this machine has."""
        admitted = SpecifierSet()
        with suppress(OSError, ValueError, KeyError, AttributeError, InvalidSpecifier):
            project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            admitted = SpecifierSet(project["requires-python"])
        fitting = [version for version in self.pythons if admitted.contains(f"{version}.99")] or self.pythons
        for version in fitting:
            if python := self.find(version):
                return python
        raise InfrastructureError(f"building from source needs one of Python {', '.join(fitting)}, and none is here")


def keep(out: Path, kept: Path) -> None:
    """Move a finished wheel into the cache in one step, so that no other run finds a part of one."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=kept.parent))
        for wheel in out.glob("*.whl"):
            shutil.copyfile(wheel, partial / wheel.name)
        shutil.rmtree(kept, ignore_errors=True)
        partial.replace(kept)
    except OSError as error:
        raise InfrastructureError(f"the wheel cannot be kept in {kept.parent.name}/: {error.strerror}") from None
