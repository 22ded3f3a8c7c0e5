"""Map the literature around a paper into an Obsidian vault."""

__version__ = "0.1.0"
