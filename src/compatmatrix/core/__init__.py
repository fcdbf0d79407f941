"""Types, states, errors, encoding and files: what every other package speaks in."""
