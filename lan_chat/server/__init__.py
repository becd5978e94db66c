"""The server: connections, members, the order of what happens in the room, and its delivery to all members."""
