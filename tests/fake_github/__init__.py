"""A stand-in for GitHub: it runs a workflow's jobs, and keeps issues behind a `gh` of its own."""
