"""The client: the session with a server, and the window that shows it."""
