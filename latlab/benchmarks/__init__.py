"""One module a kind of optimisation: a shipped scenario together with the toggles that it is there to show."""
