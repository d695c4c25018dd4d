"""The pure model: requests, prompt cache, draws and timelines. No I/O, no clock, no asyncio, no shared randomness."""
