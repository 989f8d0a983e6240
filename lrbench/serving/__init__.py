"""The page over HTTP, kept up to date while runs go on; nothing is written."""
