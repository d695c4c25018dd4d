"""What the project costs in time and memory, measured beside references that do the same with nothing around it."""
