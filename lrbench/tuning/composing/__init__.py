"""Composition of a policy of several, each chosen stage by stage among continuations of the best run so far."""
