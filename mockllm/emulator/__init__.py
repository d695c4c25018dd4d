"""The one entry through which the server and the sim world reach the core."""
