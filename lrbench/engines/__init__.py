"""Engines, which train nets, behind one interface (``base``), each in a package of its own."""
