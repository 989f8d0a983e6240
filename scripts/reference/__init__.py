"""The generated pages of docs/reference, one module each with a function ``page``."""

NOTE = "<!-- Written by scripts/generate_reference from {}; change it there. -->"
