"""The least of an HTTP/1.1 parser that a load client needs, so that the client is not what is measured."""

from __future__ import annotations

__all__ = ["BadAnswerError", "HttpAnswer"]


class BadAnswerError(Exception):
    """What came back is no successful HTTP/1.1 answer of the two kinds that the servers send."""


class HttpAnswer:
    """One answer as it comes in: a body of a stated length, or one in chunks.

    `parts` holds the body, one entry a chunk, each with the time at which its last byte was fed.
    """

    __slots__ = ("_left", "_pending", "head", "parts", "whole")

    def __init__(self) -> None:
        self.head = b""
        self.parts: list[tuple[float, bytes]] = []
        self.whole = False
        self._pending = b""
        self._left = -1  # bytes of a body of a stated length that are still to come; -1 where it is in chunks

    def feed(self, data: bytes, at_s: float) -> bool:
        """Take in what was read at `at_s`; true once the answer is whole. Raises `BadAnswerError`."""
        data = self._pending + data if self._pending else data
        if not self.head:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._pending = data
                return False
            self._read_head(head)
            data = rest
        if self._left < 0:
            self._take_chunks(data, at_s)
        else:
            self._pending = data
            if len(data) >= self._left:
                self.parts.append((at_s, data))
                self.whole = True
        return self.whole

    def body(self) -> bytes:
        return b"".join([data for _, data in self.parts])

    def _read_head(self, head: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 200 "):
            raise BadAnswerError(head.decode("latin-1").splitlines()[0])
        self.head = head
        lowered = head.lower()
        if b"transfer-encoding: chunked" not in lowered:
            _, found, length = lowered.partition(b"\r\ncontent-length:")
            if not found:
                raise BadAnswerError("neither a length nor chunks")
            self._left = int(length.partition(b"\r\n")[0])

    def _take_chunks(self, data: bytes, at_s: float) -> None:
        place = 0
        while True:
            line_end = data.find(b"\r\n", place)
            if line_end < 0:
                break
            size = int(data[place:line_end], 16)
            begin = line_end + 2
            if len(data) < begin + size + 2:
                break
            place = begin + size + 2
            if size == 0:
                self.whole = True
                break
            self.parts.append((at_s, data[begin : begin + size]))
        self._pending = data[place:]
