"""What runs inside a cell; nothing of it is imported by the engine but its file names."""
