"""A command in a pseudo-terminal, and the screen that its user sees."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte


class Terminal:
    """Runs a command of the engine in a terminal of so many columns.

    Attributes:
        written: All that the command wrote, control sequences included.
    """

    def __init__(self, folder: Path, columns: int, *arguments: str, environ: Mapping[str, str] = {}) -> None:
        import fcntl
        import struct
        import termios

        self._end, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
        self._screen = pyte.Screen(columns, 60)
        self._stream = pyte.ByteStream(self._screen)
        self.written = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "compatmatrix", *arguments],
            **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),  # type: ignore[call-overload]
            cwd=folder,
            # pytest-xdist sets COLUMNS, which would count instead of this terminal's width.
            env={**{name: os.environ[name] for name in os.environ if name != "COLUMNS"}, "TERM": "xterm", **environ},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    @property
    def screen(self) -> list[str]:
        """The lines on the screen, as they are now."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def read(self, until: Callable[[list[str]], bool] = lambda screen: False, seconds: float = 60) -> list[str]:
        """The screen when something is seen on it, or when the command has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self._end], [], [], 0.1)[0]:
                try:
                    chunk = os.read(self._end, 4096)
                except OSError:  # Linux: the other end is closed
                    chunk = b""
                if not chunk:
                    break
                self.written += chunk
                self._stream.feed(chunk)
            if until(self.screen):
                return self.screen
        return self.screen

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        os.write(self._end, b"\x03")

    def ended(self) -> tuple[int, list[str]]:
        """The exit code, and the screen at the end."""
        screen = self.read()
        code = self.process.wait(timeout=20)
        os.close(self._end)
        return code, screen
