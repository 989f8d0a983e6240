"""Subjects as documents, a module for each kind of subject."""
