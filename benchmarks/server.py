"""A keep-alive server that is not the bottleneck: it accepts every event after a fixed latency, and counts.

``python -m benchmarks.server --latency-ms 50`` prints its port. GET /count tells how many events came,
GET /times when they did (epoch seconds, in order of arrival).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

BODY = b'{"result_code":2000,"result_msg":null,"result_data":{"event_id":"x"}}'
ACCEPTED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Server(asyncio.Protocol):
    latency_seconds = 0.0
    times: list[float] = []

    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            self.answer(head)

    def answer(self, head: bytes) -> None:
        if head.startswith(b"get "):
            found = self.times if b" /times" in head else len(self.times)
            text = json.dumps(found).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
            return
        self.times.append(time.time())
        if self.latency_seconds:
            asyncio.get_running_loop().call_later(self.latency_seconds, self.transport.write, ACCEPTED)
        else:
            self.transport.write(ACCEPTED)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", port, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    Server.latency_seconds = chosen.latency_ms / 1000
    asyncio.run(serve(chosen.port))
