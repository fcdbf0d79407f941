"""The errors that a command reports instead of showing a traceback."""

from __future__ import annotations


class InfrastructureError(Exception):
    """The machine, the network or the index failed: never a statement about a release, and never a record (exit code 1)."""


class NotAnIndex(InfrastructureError):
    """An address does not answer as a package index does, or lists nothing; given as an argument, it is wrong (exit code 2)."""


class UserError(Exception):
    """The arguments or matrix.toml are wrong (exit code 2); the message names the thing, what is wrong and what to do."""
