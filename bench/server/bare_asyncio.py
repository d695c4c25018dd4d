"""A server on `asyncio.start_server` and nothing else: canned bytes by path, paced by absolute deadlines.

`python -m bench.server.bare_asyncio CANNED` prints its URL on one line when it is ready, and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bench.server.canned import Canned, due_s, read_canned

_JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


async def main(canned: Canned) -> None:
    message = _JSON_HEAD % len(canned.message) + canned.message
    instants = [_chunk(data) for data in canned.instants]
    events = [_chunk(data) for data in canned.events]
    at_once = _SSE_HEAD + _chunk(b"".join(canned.events)) + _END
    loop = asyncio.get_running_loop()

    async def paced(writer: asyncio.StreamWriter, tokens: int) -> None:
        began = loop.time()
        chosen = [*instants[: tokens - 1], instants[-1]]
        for number, data in enumerate(chosen):
            await asyncio.sleep(began + due_s(number) - loop.time())
            writer.write(data if number else _SSE_HEAD + data)
        writer.write(_END)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                target = head.split(b" ", 2)[1]
                if target == b"/message":
                    writer.write(message)
                elif target == b"/at-once":
                    writer.write(at_once)
                elif target == b"/each":
                    writer.write(_SSE_HEAD)
                    for data in events:
                        writer.write(data)
                        await writer.drain()
                    writer.write(_END)
                else:
                    await paced(writer, int(target.rpartition(b"/")[2]))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is done
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


if __name__ == "__main__":
    asyncio.run(main(read_canned(Path(sys.argv[1]))))
