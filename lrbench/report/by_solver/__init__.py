"""The report by solver: policies x solver types as one matrix, and which policies hold across optimizers."""
