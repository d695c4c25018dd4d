"""Statistics on arrays of run figures: quantiles, paired ratios, multiplicity, verdicts.

Nothing here knows a store, a world or a reporter.
"""
