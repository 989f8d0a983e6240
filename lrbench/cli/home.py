"""The folders that the environment names, for the commands."""

from lrbench.library.surroundings import data_folder, home

__all__ = ["data_folder", "home"]
