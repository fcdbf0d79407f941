"""What the commands work with beside their own options: configuration, probes, folders, clock, console."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from packaging.version import Version
from rich.console import Console
from rich.text import Text

from compatmatrix.analysis import support
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.support import View
from compatmatrix.cli.options import CONFIG, IndexOptions, Init, Options, ReadingOptions
from compatmatrix.cli.parser import PROGRAM
from compatmatrix.config import matrix_file, probe_files
from compatmatrix.config.tables import Config
from compatmatrix.core.errors import UserError
from compatmatrix.core.files import cache_folder
from compatmatrix.core.model import Probe
from compatmatrix.core.text import grouped
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The same for all commands.

    Attributes:
        now: The instant at which the command began (UTC).
        quiet: Whether no progress is printed.
        command: The command line, as it can be given again.
    """

    config: Config
    probes: Sequence[Probe]
    probes_folder: Path
    reports: Path
    cache: Path
    now: datetime
    console: Console
    data: View | None = None
    quiet: bool = False
    command: tuple[str, ...] = ()

    @property
    def records(self) -> Path:
        return self.reports / "records"

    @property
    def platform(self) -> str:
        """This machine's platform, by its name in matrix.toml."""
        return matrix_file.host_platform(self.config)

    def say(self, text: str) -> None:
        """Print a text without markup, in a terminal wrapped between words."""
        self.console.print(Text(text), soft_wrap=not self.console.is_terminal)

    def note(self, text: str) -> None:
        """Print a line that tells of progress; nothing with `--quiet`."""
        if not self.quiet:
            self.say(text)

    def say_failed(self, failed: Sequence[tuple[str, str]]) -> None:
        """List the cells that could not be examined, with the reason; those of one reason together."""
        for why, cells in grouped((why, title) for title, why in failed).items():
            together = "" if len(cells) == 1 else f"{len(cells)} cells"
            self.say(f"not examined: {together or cells[0]}: {why}")
            for title in cells if together else ():
                self.say(f"  {title}")

    def going_on(self, left: int, total: int) -> str:
        """The command that goes on after an interrupt, and what it runs: ``left`` of ``total`` cells are not on record."""
        again = shlex.join(self.command)
        if "--fresh" not in self.command:
            return f"to run the other {left}: {again}"
        without = shlex.join(word for word in self.command if word != "--fresh")
        rest = f"the {left} that are not on record: {without}" if left else "nothing: all are on record from before"
        return f"to run all {total} again: {again}\nwithout --fresh, {rest}"

    def ledger(self) -> Ledger:
        """Read the records, and list the damaged ones."""
        known = ledger.read(self.records)
        self.say_damage(known)
        return known

    def view(self, known: Ledger | None = None) -> View:
        """What the records, or some of them, show; what published data says, where that was given."""
        if self.data is not None:
            return self.data
        return support.view(self.ledger() if known is None else known, self.config, self.probes)

    def compatibility(self) -> Compatibility:
        """What the records say, as it can be asked by a program."""
        return Compatibility(self.view())

    def say_damage(self, known: Ledger) -> None:
        """List the damaged lines of the records, and say what to do."""
        for damage in known.damage:
            self.say(f"damaged, not used: {self.records / damage.file}:{damage.line}: {damage.problem}")
        if known.damage:
            self.say(f"`{PROGRAM} report --repair` moves damaged lines aside; their cells are run again")


def create(options: Options, console: Console, command: Sequence[str]) -> Context:
    """Read the files that the options of a command name; ``command`` is the whole command line.

    Raises:
        UserError: matrix.toml or a probe is wrong, or there are no records for a command that reads them.
    """
    if data := getattr(options, "data", None):
        return _published(data, options, console)
    if isinstance(options, Init):
        context = _context(matrix_file.blank(options.name), (), options.config, None, console)
    else:
        context = read(options.config, getattr(options, "reports", None), console)
    if context.reports.exists() and not context.reports.is_dir():
        raise UserError(f"{context.reports}: is no folder; --reports names the folder of the reports")
    if isinstance(options, ReadingOptions) and not context.records.is_dir():
        raise UserError(f"{context.reports}: no records are there; name their folder with --reports, or `run` first")
    context = msgspec.structs.replace(context, quiet=getattr(options, "quiet", False), command=tuple(command))
    if not isinstance(options, IndexOptions | Init):
        return context
    index = context.config.index
    chosen = msgspec.structs.replace(index, url=options.index or index.url, extra=options.extra_index or index.extra)
    return msgspec.structs.replace(context, config=msgspec.structs.replace(context.config, index=chosen))


def _published(data: Path, options: Options, console: Console) -> Context:
    """A context that knows what a compatibility.json says, and nothing else."""
    from compatmatrix.publish import json_data

    if getattr(options, "reports", None) or options.config != CONFIG:
        raise UserError("--data is read instead of matrix.toml and records: leave out --config and --reports")
    try:
        view = json_data.read(data.read_bytes())
        for version in {version for cell in view.cells for version in (cell.subject, *cell.versions.values())}:
            Version(version)
    except OSError as error:
        raise UserError(f"{data}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{data} {error}") from None
    return msgspec.structs.replace(_context(view.config, view.probes, data, data.parent, console), data=view)


def read(file: Path, reports: Path | None, console: Console) -> Context:
    """Read matrix.toml and the probes beside it; ``reports`` are beside it too, if not somewhere else."""
    config, folder = matrix_file.load(file), file.parent / "probes"
    probes = probe_files.read(folder, config.environment)
    matrix_file.check_probes(file, config, probes, folder)
    return _context(matrix_file.with_words(config, probes), probes, file, reports, console)


def _context(config: Config, probes: Sequence[Probe], file: Path, reports: Path | None, console: Console) -> Context:
    return Context(
        config=config,
        probes=probes,
        probes_folder=file.parent / "probes",
        reports=reports or file.parent / "reports",
        cache=cache_folder(),
        now=datetime.now(UTC),
        console=console,
    )
