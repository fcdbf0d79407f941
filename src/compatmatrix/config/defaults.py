"""What holds where matrix.toml leaves a table out."""

from __future__ import annotations

TOOLS = {
    "pytest": "8.4.2",
    "pytest-json-report": "1.5.0",
    "pytest-metadata": "3.1.1",
    "iniconfig": "2.1.0",
    "pluggy": "1.6.0",
}
"""What runs the probes where matrix.toml has no ``[tools]``."""

TOOLS_NEED = ("packaging", "pygments", "colorama", "exceptiongroup", "tomli", "typing-extensions")
"""What these require besides. It is not pinned: what is tested may need a version of its own."""

PLATFORMS = {
    "linux-x86_64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "macos-arm64": "aarch64-apple-darwin",
    "windows-amd64": "x86_64-pc-windows-msvc",
}
"""The platforms where matrix.toml has no ``[platform]``."""
