"""Views -> answers: every output takes what it says from here; none computes an answer of its own."""
