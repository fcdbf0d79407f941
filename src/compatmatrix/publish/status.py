"""The status of the scheduled job, which it writes beside the page and nobody commits."""

from __future__ import annotations

import msgspec

SCHEMA = 1


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was to examine and did not, and why."""

    cell: str
    why: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What the job did last.

    Attributes:
        looked: the instant (UTC) of the last look at the index; ``hours`` until the next is due.
        recorded: the day (UTC) of the newest record, null without one.
        planned: cells that the run was to examine.
        examined: those of them that it did.
        missing: the others, and the requests that could not be planned.
        refusals: why the run was not published; the page shows what was known before.
        run: the address of the run, where it has one.
    """

    schema: int = SCHEMA
    looked: str
    hours: int
    recorded: str | None
    planned: int
    examined: int
    missing: tuple[Missing, ...] = ()
    refusals: tuple[str, ...] = ()
    run: str = ""

    def json(self) -> bytes:
        """The content of status.json."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"
