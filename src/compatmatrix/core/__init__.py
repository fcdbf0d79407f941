"""Types, the table of states, and small helpers that every other package uses."""
