"""What outlives a request: the ledger of updates, key-values of people, rate limits."""
