"""`python -m refnet` is `refnet`."""

from refnet.entrypoints.cli import main

if __name__ == "__main__":
    main()
