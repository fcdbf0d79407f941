"""From a request to a lock, by uv."""
