"""The job that nobody watches: plans as files, shards, what moved, whether it may be published, and the alarm."""
