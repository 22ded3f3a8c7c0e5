"""The HTTP API: who is asking, what they may do, and what they are told."""
