"""From a YAML file to an experiment: every message names file, line and key."""
