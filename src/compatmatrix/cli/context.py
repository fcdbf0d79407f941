"""What the commands work with beside their own options: configuration, probes, folders, clock, console."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from compatmatrix.analysis import support
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.support import View
from compatmatrix.cli.options import IndexOptions, Options
from compatmatrix.config import matrix_file, probe_files
from compatmatrix.config.tables import Config
from compatmatrix.core.files import cache_folder
from compatmatrix.core.model import Probe
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The same for all commands; ``now`` is the instant at which the command began (UTC)."""

    config: Config
    probes: Sequence[Probe]
    probes_folder: Path
    reports: Path
    cache: Path
    now: datetime
    console: Console

    @property
    def records(self) -> Path:
        return self.reports / "records"

    @property
    def platform(self) -> str:
        """This machine's platform, by its name in matrix.toml."""
        return matrix_file.host_platform(self.config)

    def say(self, text: str) -> None:
        """Print a line as it is, without markup or wrapping."""
        self.console.print(Text(text), soft_wrap=True)

    def say_failed(self, failed: Sequence[tuple[str, str]]) -> None:
        """List the cells that could not be examined, each with the reason."""
        for title, why in failed:
            self.say(f"not examined: {title}: {why}")

    def ledger(self) -> Ledger:
        """Read the records, and list the damaged ones."""
        known = ledger.read(self.records)
        self.say_damage(known)
        return known

    def view(self, known: Ledger | None = None) -> View:
        """What the records, or some of them, show."""
        return support.view(self.ledger() if known is None else known, self.config, self.probes)

    def compatibility(self) -> Compatibility:
        """What the records say, as it can be asked by a program."""
        return Compatibility(self.view())

    def say_damage(self, known: Ledger) -> None:
        """List the damaged lines of the records, and say what to do."""
        for damage in known.damage:
            self.say(f"damaged, not used: {self.records / damage.file}:{damage.line}: {damage.problem}")
        if known.damage:
            self.say("`python -m compatmatrix report --repair` moves damaged lines aside; their cells are run again")


def create(options: Options, console: Console) -> Context:
    """Read the files that the options of a command name; raises UserError where matrix.toml or a probe is wrong."""
    context = read(options.config, getattr(options, "reports", None), console)
    if not isinstance(options, IndexOptions):
        return context
    index = context.config.index
    chosen = msgspec.structs.replace(index, url=options.index or index.url, extra=options.extra_index or index.extra)
    return msgspec.structs.replace(context, config=msgspec.structs.replace(context.config, index=chosen))


def read(file: Path, reports: Path | None, console: Console) -> Context:
    """Read matrix.toml and the probes beside it; ``reports`` are beside it too, if not somewhere else."""
    config, folder = matrix_file.load(file), file.parent / "probes"
    probes = probe_files.read(folder)
    matrix_file.check_probes(file, config, probes, folder)
    return Context(
        config=config,
        probes=probes,
        probes_folder=folder,
        reports=reports or file.parent / "reports",
        cache=cache_folder(),
        now=datetime.now(UTC),
        console=console,
    )
