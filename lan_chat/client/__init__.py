"""The client: the conversation with a server, and the window that shows it."""
