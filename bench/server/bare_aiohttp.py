"""A server on aiohttp and nothing else: canned bytes by path, paced by absolute deadlines.

`python -m bench.server.bare_aiohttp CANNED` prints its URL on one line when it is ready, and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from bench.server.canned import Canned, due_s, read_canned


async def main(canned: Canned) -> None:
    at_once = [b"".join(canned.events)]
    loop = asyncio.get_running_loop()

    async def message(http: web.Request) -> web.StreamResponse:
        await http.read()
        return web.Response(body=canned.message, content_type="application/json")

    async def all_at_once(http: web.Request) -> web.StreamResponse:
        return await send(http, at_once)

    async def each(http: web.Request) -> web.StreamResponse:
        return await send(http, canned.events)

    async def send(http: web.Request, writes: list[bytes]) -> web.StreamResponse:
        await http.read()
        response = _event_stream()
        await response.prepare(http)
        for data in writes:
            await response.write(data)
        await response.write_eof()
        return response

    async def paced(http: web.Request) -> web.StreamResponse:
        began = loop.time()
        await http.read()
        response = _event_stream()
        chosen = [*canned.instants[: int(http.match_info["tokens"]) - 1], canned.instants[-1]]
        for number, data in enumerate(chosen):
            await asyncio.sleep(began + due_s(number) - loop.time())
            if not number:
                await response.prepare(http)
            await response.write(data)
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_post("/message", message)
    app.router.add_post("/at-once", all_at_once)
    app.router.add_post("/each", each)
    app.router.add_post("/paced/{tokens}", paced)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def _event_stream() -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "text/event-stream"
    response.enable_chunked_encoding()
    return response


if __name__ == "__main__":
    asyncio.run(main(read_canned(Path(sys.argv[1]))))
