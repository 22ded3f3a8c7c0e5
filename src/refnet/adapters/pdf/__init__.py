"""PDFs read in a bounded subprocess: `reader` is the parent's side, `child` the other; what the child does stands beside it."""
