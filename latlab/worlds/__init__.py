"""The worlds: one coroutine over the emulator in process (sim), the real SDK and server in virtual time (warp), or a
server in a process of its own and real time (wire)."""
