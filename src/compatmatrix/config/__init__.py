"""matrix.toml and the probes, read from their files."""
