"""matrix.toml, the probes and the addresses of sources: read and checked, nothing run or reached."""
