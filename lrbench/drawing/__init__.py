"""Look and saving of all figures: ``theme``, ``scales``, ``axes`` and ``save``."""
