"""Policies compared over the values of a setting, such as the engine, the solver or the batch size."""
