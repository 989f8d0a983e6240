"""Range test: the learning rates worth trying, found by a sweep and by short runs at fixed rates."""
