"""Watches a session's processes while they train: processor, memory and GPU, written down beside the evaluations."""
