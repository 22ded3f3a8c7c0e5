"""Summaries by a language model: what it is asked, by whom, what it costs, and what of its answer is believed."""
