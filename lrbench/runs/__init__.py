"""The run directory: written by the runner, read by everybody else."""
