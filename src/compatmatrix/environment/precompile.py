"""Gives an environment byte code: compiles sources of it without running them, or takes what it once made of the same.

Run as a script by an interpreter that nothing is installed in (`-I -S -B`); nothing of the engine is imported, and the
syntax is that of the oldest Python that a cell may have. Standard input is a JSON object: `environment`, `store` (what
was compiled before, by the digest of the source) and `names` (paths of sources below the environment).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import os
import stat
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:  # at run time it would take longer than all that is done here
    from typing import Any

MEMORY = 2 << 30
DIGEST = hashlib.sha256().digest_size


def main() -> None:
    """Do what standard input says; a source that cannot be compiled is passed over."""
    task: dict[str, Any] = json.load(sys.stdin)
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    store = os.path.join(task["store"], importlib.util.MAGIC_NUMBER[:2].hex())
    os.makedirs(store, exist_ok=True)
    root = os.path.realpath(task["environment"])
    for name in task["names"]:
        with suppress(OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            provide(root, name, store)


def provide(root: str, name: str, store: str) -> None:
    """Put the byte code of one source beside it, unless there is some."""
    source = os.path.join(root, name)
    if not name.endswith(".py") or not source.startswith(root + os.sep):
        return
    target = importlib.util.cache_from_source(source)
    if os.path.lexists(target) or os.path.realpath(source) != source:
        return
    text, status = content(source)
    code = compiled(text, source, store)
    # PEP 3147, and PEP 552 for the header: of this source by its time and its size.
    parts = (0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    header = importlib.util.MAGIC_NUMBER + b"".join(part.to_bytes(4, "little") for part in parts)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    written(target, header + code)


def content(path: str) -> tuple[bytes, os.stat_result]:
    """The content of a regular file, and its status; OSError where it is something else, which is not waited for."""
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("no regular file")
        return file.read(), status


def compiled(text: bytes, source: str, store: str) -> bytes:
    """The code object, marshalled: kept from an earlier time if it is whole, else made now."""
    kept = os.path.join(store, hashlib.sha256(text).hexdigest())
    with suppress(OSError):
        whole, _ = content(kept)
        digest, code = whole[:DIGEST], whole[DIGEST:]
        if hashlib.sha256(code).digest() == digest:
            return code
    code = marshal.dumps(compile(text, source, "exec", dont_inherit=True))
    with suppress(OSError):
        written(kept, hashlib.sha256(code).digest() + code)
    return code


def written(path: str, content: bytes) -> None:
    """The whole content under this name, or nothing."""
    partial = "{}.{}".format(path, os.getpid())
    with open(partial, "wb") as file:
        file.write(content)
    os.replace(partial, path)


if __name__ == "__main__":
    main()
