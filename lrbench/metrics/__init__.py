"""Metrics of an evaluation, of a run and of a policy, computed from probabilities, losses and clocks."""
