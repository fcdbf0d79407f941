"""Imports what the probes need."""

import semver

Version = getattr(semver, "Version", semver.VersionInfo)
"""The class of a version, which 3.0 renamed."""
