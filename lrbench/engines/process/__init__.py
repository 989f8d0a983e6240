"""A session in a child process: JSON lines and raw bytes over its pipes, its log in the run's folder."""
