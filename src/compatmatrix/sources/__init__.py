"""Subjects that are not on the index: repositories, checkouts and wheels."""
