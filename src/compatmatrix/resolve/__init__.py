"""uv: a cell request -> a lock, and what uv's error messages mean."""
