"""The ways in which an index fails, as data, and what each makes of a good answer."""

from __future__ import annotations

import enum
import fnmatch
from dataclasses import dataclass, replace

from .simple_api import Answer


class Fault(enum.Enum):
    """What goes wrong."""

    UNREACHABLE = "the connection is closed without an answer"
    ERROR = "the answer is a status 500"
    SLOW = "the answer comes after some seconds"
    TRUNCATED = "half of the body, as if that were all"
    CUT = "half of the body, then the connection is closed"
    TAMPERED = "a file's bytes are not those that its listed hash was taken from"
    MISSING = "a file is listed, but is gone"


@dataclass
class Switched:
    """A fault that is switched on: for which paths, for how many more requests (None: all), and how long it takes."""

    fault: Fault
    path: str
    times: int | None
    seconds: float

    def takes(self, path: str) -> bool:
        """Says whether this request is struck; if so, it is counted."""
        # These two are about what happens to a file after it was listed, so a glob for all leaves the pages alone.
        if self.fault in {Fault.TAMPERED, Fault.MISSING} and not path.startswith("/files/"):
            return False
        if self.times == 0 or not fnmatch.fnmatchcase(path, self.path):
            return False
        if self.times is not None:
            self.times -= 1
        return True


def strike(fault: Fault, good: Answer) -> Answer:
    """Makes of a good answer what the fault leaves of it."""
    half = good.body[: len(good.body) // 2]
    # Without a validator, lest a client that caches half a page is told later that its half is still the newest.
    unvalidated = tuple((key, value) for key, value in good.headers if key != "ETag")
    match fault:
        case Fault.UNREACHABLE:
            return Answer(0)
        case Fault.ERROR:
            return Answer(500, b"the index has a fault\n", (("Content-Type", "text/plain"),))
        case Fault.TRUNCATED:
            return replace(good, body=half, headers=unvalidated)
        case Fault.CUT:
            return replace(good, body=half, headers=unvalidated, announced=len(good.body))
        case Fault.TAMPERED:
            return replace(good, body=_tampered(good.body), headers=unvalidated)
        case Fault.MISSING:
            return Answer(404)
        case Fault.SLOW:
            return good


def _tampered(content: bytes) -> bytes:
    """Changes a file and leaves it readable: a broken archive would be refused for being broken, whatever its hash."""
    if content.startswith(b"PK"):
        comment = b"tampered with"
        return content[:-2] + len(comment).to_bytes(2, "little") + comment
    if content.startswith(b"\x1f\x8b"):
        return content[:4] + b"\x01" + content[5:]  # The time in gzip's header.
    return content + b"\n"
