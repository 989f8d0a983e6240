"""Recommendation of policies for a workload: measured on it or on similar ones, rules of papers, what to avoid."""
