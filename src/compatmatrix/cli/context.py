"""What every command works with, read from the arguments and the files that they name."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from compatmatrix.config import matrix_file, probe_files
from compatmatrix.core.files import cache_folder
from compatmatrix.planning.requests import Selection
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


class Setting:
    """The configuration, the probes, where records and reports are, what is asked for, and whom to tell."""

    def __init__(self, asked: argparse.Namespace, console: Console) -> None:
        self.asked, self.console = asked, console
        self.config = matrix_file.load(asked.config)
        if asked.index or asked.extra_index:
            index = self.config.index
            chosen = msgspec.structs.replace(
                index, url=asked.index or index.url, extra=(*asked.extra_index,) or index.extra
            )
            self.config = msgspec.structs.replace(self.config, index=chosen)
        self.folder: Path = asked.config.parent / "probes"
        self.reports: Path = asked.reports or asked.config.parent / "reports"
        self.records = self.reports / "records"
        self.cache = cache_folder()
        self.probes = probe_files.read(self.folder)
        matrix_file.check_probes(asked.config, self.config, self.probes, self.folder)
        self.selection = Selection(only=tuple(asked.only), pairings=tuple(asked.pairing), as_of=asked.as_of)
        self.now = datetime.now(UTC)

    def say(self, text: str) -> None:
        """Print a line as it is: nothing in it is taken for markup, nothing is wrapped.

        Where the output is for programs, words for people go to standard error.
        """
        for_people = getattr(self.asked, "format", "text") == "text"
        console = self.console if for_people else Console(stderr=True)
        console.print(Text(text), soft_wrap=True)

    def ledger(self) -> Ledger:
        """Read the records, and name what is damaged among them."""
        known = ledger.read(self.records)
        self.tell_damage(known)
        return known

    def tell_damage(self, known: Ledger) -> None:
        """Name what is damaged, and say what to do."""
        for damage in known.damage:
            self.say(f"damaged, not used: {self.records / damage.file}:{damage.line}: {damage.problem}")
        if known.damage:
            self.say("`python -m compatmatrix report --repair` sets damaged lines aside; what they held is run again")
