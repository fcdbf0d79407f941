"""What a scheduled job does with a run: merge, gate, issues, publishing."""
