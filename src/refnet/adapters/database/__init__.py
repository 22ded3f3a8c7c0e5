"""What is stored: schema, papers and crawls, the ledger of jobs."""
