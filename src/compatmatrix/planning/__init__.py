"""Which cells are asked for, which of them are missing, and in what order they are run."""
