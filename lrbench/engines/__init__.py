"""What trains: engines behind one interface (``base``), each in a package of its own."""
