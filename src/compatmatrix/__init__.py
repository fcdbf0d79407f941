"""Which releases of a package, beside which companions, support what: found out by running it."""

__version__ = "0.1.0"
