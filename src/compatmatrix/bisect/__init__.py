"""The search for the commit, or the release of a companion, at which an outcome changes."""
