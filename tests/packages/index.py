"""A real package index on this machine: an HTTP server over fake releases, with faults that can be switched on."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from types import TracebackType

from . import installed, simple_api
from .faults import Fault, Switched, strike
from .server import Server
from .simple_api import Answer
from .wheels import Artifact, FakeRelease, artifacts, normalize

__all__ = ["Fault", "LocalIndex", "Request"]


@dataclass(frozen=True)
class Request:
    """One request as the index saw it; a status of 0 means that there was no answer."""

    method: str
    path: str
    status: int


class LocalIndex:
    """An index of fake releases, served on the loopback while the context is open.

    Example:
        >>> with LocalIndex() as index:
        ...     index.add(FakeRelease("subject", "1.0", uploaded=day("2024-01-01")))
        ...     index.add_installed("pytest")
        ...     index.fault(Fault.ERROR, "/simple/subject/", times=2)
        ...     subprocess.run([..., "--default-index", index.url])

    Attributes:
        requests: Every request so far. Paths are below the root, as ``/simple/subject/`` or ``/files/HASH/FILENAME``.
    """

    def __init__(self, *, html_only: bool = False, undated: str = "") -> None:
        """Makes an empty index.

        Args:
            html_only: Serve PEP 503 pages alone, as static indexes of nightlies do: no upload times, no sizes.
            undated: A glob over the names of files of which no upload time is given.
        """
        self.requests: list[Request] = []
        self._html_only = html_only
        self._undated = undated
        self._files: tuple[Artifact, ...] = ()
        self._faults: list[Switched] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        # Ports are used again, and uv keeps wheels by the index's address: without a name of its own, an index could be
        # answered for from what uv's cache holds of an earlier one.
        self._root = f"/{secrets.token_hex(4)}"
        self._server = Server(self._respond)

    @property
    def url(self) -> str:
        """The address that clients are given, ending in ``/simple/``."""
        return f"{self._base}/simple/"

    @property
    def _base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{self._root}"

    def __enter__(self) -> LocalIndex:
        """Starts to serve."""
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops: connections are closed, slow answers are woken, and the port refuses from now on."""
        self._closing.set()
        self._server.stop()

    def add(self, *releases: FakeRelease) -> None:
        """Publishes releases; one that is there already is replaced, as when it is yanked."""
        for release in releases:
            self._publish(artifacts(release))

    def add_installed(self, *names: str) -> None:
        """Publishes distributions of the running interpreter and what they require in it, dated 2020-01-01.

        Raises:
            CannotRebuildError: One is not installed, or was not installed from a wheel.
        """
        for name in names:
            for file in installed.rebuild_with_requirements(name):
                self._publish([file])

    def remove(self, name: str, version: str) -> None:
        """Deletes a release, its files included.

        Raises:
            KeyError: There is no such release.
        """
        with self._lock:
            kept = tuple(file for file in self._files if (file.project, file.version) != (normalize(name), version))
            if len(kept) == len(self._files):
                raise KeyError(f"{name} {version} is not on the index")
            self._files = kept

    def fault(self, fault: Fault, path: str = "*", *, times: int | None = None, seconds: float = 1.0) -> None:
        """Switches a fault on. Several may hold at once; the first that fits a request strikes it.

        Args:
            fault: What happens.
            path: A glob over paths as in ``requests``, where ``*`` takes slashes too: ``*.whl``, ``/simple/subject/``.
            times: How many requests are struck; None for all until ``heal``.
            seconds: How long a slow answer takes.
        """
        with self._lock:
            self._faults.append(Switched(fault, path, times, seconds))

    def heal(self) -> None:
        """Switches every fault off; slow answers under way stay slow."""
        with self._lock:
            self._faults.clear()

    def _publish(self, files: Sequence[Artifact]) -> None:
        with self._lock:
            replaced = {(file.project, file.version) for file in files}
            self._files = (*(file for file in self._files if (file.project, file.version) not in replaced), *files)

    def _respond(self, method: str, address: str, headers: Message) -> Answer:
        """Answers one request, under the fault that strikes it if one does, and writes it down."""
        inside = address.startswith(f"{self._root}/")
        path = address.removeprefix(self._root) if inside else address
        with self._lock:
            files = self._files
            struck = next((switched for switched in self._faults if switched.takes(path)), None)
        found = Answer(404)
        if inside:
            found = simple_api.answer(
                path, headers, files, self._base, html_only=self._html_only, undated=self._undated
            )
        if struck is not None:
            found = strike(struck.fault, found)
            if struck.fault is Fault.SLOW and self._closing.wait(struck.seconds):
                found = Answer(0)
        # Before the answer leaves: a test that has it must find it in the log.
        with self._lock:
            self.requests.append(Request(method, path, found.status))
        return found
