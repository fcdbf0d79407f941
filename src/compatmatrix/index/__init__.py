"""The package index: which releases there are, and which wheels fit where."""
