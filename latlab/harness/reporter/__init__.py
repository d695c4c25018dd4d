"""Reporters: each turns a study's summary (the plain dict of the JSON contract) into something to read.

They know no world, no store and no statistics: what is not in the summary is not reported.
"""

from __future__ import annotations
