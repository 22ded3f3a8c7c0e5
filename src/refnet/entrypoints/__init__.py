"""Where refnet is called from: parse, call, print."""
