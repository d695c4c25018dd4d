"""The server's own cost, beside a bare asyncio server and a bare aiohttp server that send the same bytes.

Every server is a process of its own on one core, and the client another one on the other core. The references answer
from memory, so what separates them from the mock is all that the mock does: reading and checking the request, counting
its tokens, looking into the cache, drawing, composing and writing out the answer.
"""
