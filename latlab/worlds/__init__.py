"""The worlds: the same coroutine over the emulator in process (sim) or the real SDK and server (warp)."""
