"""What a project has: its lock files, requirements and interpreter are read here, bounded and without running any of them."""
