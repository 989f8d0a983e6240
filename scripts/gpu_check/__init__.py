"""What scripts/check_gpu is made of: what travels to a machine with a GPU, and what is checked there."""
