"""How figures look and are saved, whatever they show: ``theme``, ``axes`` and ``save``."""
