"""Which releases of a package, beside which companions, support what: found out by running it.

`load` is all that is public here: it gives what is known as one object that programs can ask.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compatmatrix.analysis.compatibility import Compatibility

__all__ = ["load"]
__version__ = "0.1.0"

_MOST = 64_000_000
"""How long the data may be, in bytes: thirty times as long as those of thirty releases."""


def load(source: str | Path) -> Compatibility:
    """Read published data, so that it can be asked: ``load("compatibility.json").pair(name="0.10.7", companion="0.7.2")``.

    Args:
        source: the path of a compatibility.json, or its address (``https://…``).

    Returns:
        An object with `pair`, `supported` and `explain`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no compatibility.json that this version reads, or one of more than 64 MB.
    """
    # Imported only now: every module of the package imports this one first.
    from compatmatrix.analysis.compatibility import Compatibility
    from compatmatrix.publish import json_data

    if isinstance(source, str) and source.startswith(("https://", "http://")):
        import requests

        content = bytearray()
        with requests.get(source, timeout=30, stream=True) as answer:
            answer.raise_for_status()
            for part in answer.iter_content(1 << 20):
                content += part
                if len(content) > _MOST:
                    break
    else:
        with Path(source).open("rb") as file:
            content = bytearray(file.read(_MOST + 1))
    try:
        if len(content) > _MOST:
            raise ValueError(f"is longer than {_MOST // 1_000_000} MB")
        return Compatibility(json_data.read(bytes(content)))
    except ValueError as error:
        raise ValueError(f"{source} {error}") from None
