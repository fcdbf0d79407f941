"""What is not released: sources besides the index, their commits, and the search for the one that changed an answer."""
