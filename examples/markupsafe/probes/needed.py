"""Imports what the probes need."""

import jinja2  # noqa: F401
import markupsafe  # noqa: F401
