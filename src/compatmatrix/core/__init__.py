"""Types, states, errors, encoding and files that every other package uses."""
