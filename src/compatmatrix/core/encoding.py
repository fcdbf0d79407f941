"""Canonical JSON, digests, instants in UTC, the order of versions. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from packaging.version import Version


def canonical(value: Any) -> bytes:
    """JSON with sorted keys: equal data, equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def digest(value: Any) -> str:
    """The first 64 bits of the SHA-256 of JSON-like data, as 16 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()[:16]


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant; without an offset it is UTC."""
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """UTC, whole seconds: ``2026-11-24T06:40:00Z``."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def by_version(versions: Iterable[str]) -> list[str]:
    """Versions in the order of PEP 440, oldest first."""
    return sorted(versions, key=Version)
