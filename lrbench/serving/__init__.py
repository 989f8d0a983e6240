"""The page over HTTP, made anew while runs go on; nothing is ever written."""
