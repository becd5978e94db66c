"""The server: who is here, what is said, and in which order everybody hears it."""
