"""Interpreters, virtual environments and byte code."""
