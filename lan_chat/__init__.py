"""What the two programs, `chat_server.py` and `chat_client.py`, are made of."""

__version__ = "0.2.0"
