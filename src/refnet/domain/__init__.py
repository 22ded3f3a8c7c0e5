"""What refnet knows, as plain values and pure functions; standard library only."""
