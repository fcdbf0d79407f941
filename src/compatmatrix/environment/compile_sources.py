"""Compiles source files of an environment without running them, or takes the code from a store of earlier compilations.

Run as a script (`-I -S -B`) by an interpreter in which nothing is installed; it imports nothing of the engine and keeps
to the syntax of the oldest Python that a cell may have. Standard input is a JSON object: `environment`, `store` (a folder
of code objects, named after the digest of their source) and `names` (paths of sources below the environment).
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

MEMORY = 2 << 30
"""Bytes of address space that the compiler may take."""

DIGEST = hashlib.sha256().digest_size


def main() -> None:
    """Do the task on standard input; a source that cannot be compiled is skipped."""
    task = json.load(sys.stdin)
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
    """Write the byte code of one source where Python looks for it, unless there is some."""
    source = os.path.join(root, name)
    if not name.endswith(".py") or not source.startswith(root + os.sep):
        return
    target = importlib.util.cache_from_source(source)
    if os.path.lexists(target) or os.path.realpath(source) != source:
        return
    text, status = read(source)
    code = code_of(text, source, store)
    # PEP 3147; PEP 552 for the header: valid for the source's time of modification and size.
    parts = (0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    header = importlib.util.MAGIC_NUMBER + b"".join(part.to_bytes(4, "little") for part in parts)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    write(target, header + code)


def code_of(text: bytes, source: str, store: str) -> bytes:
    """The marshalled code object of a source: from the store if it is intact there, else compiled."""
    stored = os.path.join(store, hashlib.sha256(text).hexdigest())
    with suppress(OSError):
        content, _ = read(stored)
        if hashlib.sha256(content[DIGEST:]).digest() == content[:DIGEST]:
            return content[DIGEST:]
    code = marshal.dumps(compile(text, source, "exec", dont_inherit=True))
    with suppress(OSError):
        write(stored, hashlib.sha256(code).digest() + code)
    return code


def read(path: str) -> tuple[bytes, os.stat_result]:
    """Content and status of a regular file; OSError if it is something else, such as a FIFO, which would block."""
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        return file.read(), status


def write(path: str, content: bytes) -> None:
    """Write a file so that it is never seen in part."""
    partial = "{}.{}".format(path, os.getpid())
    with open(partial, "wb") as file:
        file.write(content)
    os.replace(partial, path)


if __name__ == "__main__":
    main()
