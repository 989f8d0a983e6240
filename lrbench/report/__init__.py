"""Reports: rows, ranks, tests, tables and plots of runs. Reads results, never writes into them."""
