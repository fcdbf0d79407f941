"""One cell, run in a sandbox and under limits."""
