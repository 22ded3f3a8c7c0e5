"""The open PDF of a paper: where it may be, how it is fetched from hostile places, and where it is kept."""
