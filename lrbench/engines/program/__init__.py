"""The engine `program`: a user's own training in a process of its own."""
