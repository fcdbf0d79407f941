"""From a raw report to outcomes, records and the ledger."""
