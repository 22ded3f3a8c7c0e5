"""One file per outside thing; each translates that thing's errors into ours."""
