"""What the ledger says. Pure; every output takes its answers from here."""
