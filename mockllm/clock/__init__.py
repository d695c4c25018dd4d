"""Virtual time: event loops whose clocks count whole microseconds and jump where nothing can happen."""
