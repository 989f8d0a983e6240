"""What is computed from probabilities, losses and clocks: of an evaluation, of a run, of a policy."""
