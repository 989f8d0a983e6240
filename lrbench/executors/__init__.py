"""Where runs are run."""
