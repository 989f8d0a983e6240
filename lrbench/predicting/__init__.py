"""Prediction of the final loss of policies that were not trained, from the loss curves of a few that were."""
