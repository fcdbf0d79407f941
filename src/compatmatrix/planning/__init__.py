"""Which cells are requested, which of them are missing, and the order in which they are run."""
