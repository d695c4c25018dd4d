"""The emulator behind HTTP: an aiohttp application, and nothing that knows time but by the emulator's clock."""
