"""Profiles from recordings: reading, fitting, judging on rows that were not fitted, and writing the file."""
