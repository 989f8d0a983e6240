"""What runs add up to: rows, ranks, tests, tables and plots. Reads results, never writes into them."""
