"""The harness: what is run, by whom, where it is kept, and what is said about it."""
