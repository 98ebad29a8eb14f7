"""The far side, misbehaving: ``python -m tests.system.chaos.server <seed> <log>``. It prints its address and serves.

Every request is written to the log before anything is done about it: when, from whom, its raw bytes, whether it was
taken, and what the sender got to see. ``POST /heal`` ends the misbehaviour.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

from .plan import REFUSED_MARK
from .protocol import SENDER_HEADER

PATH = "/api/v1/events"
TOKEN = "chaos-token"

#: What may happen to a single request on a fair day. The first group takes the event, and the sender hears of none.
TAKEN_UNHEARD = ("reset after taking", "withheld", "slow", "garbage", "truncated", "5001 after taking")
NOT_TAKEN = ("reset before taking", "5001", "503 page")
ALONE = (*TAKEN_UNHEARD, *NOT_TAKEN)
FAULT_SHARE = 0.1
#: Not a fault: the final answer comes after interim ones (RFC 9110, 15.2).
EARLY_SHARE = 0.1
EARLY = (b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
#: A second answer comes with the first, and belongs to no request.
UNASKED_SHARE = 0.03
#: Whole moods: name -> how long one lasts, in seconds.
MOODS = {"rate limit": (1.0, 2.5), "outage": (0.5, 1.5), "4001": (0.3, 1.0)}
FAIR_SECONDS = (1.0, 3.0)
#: A client gives up reading after 1.5 seconds.
SLOW_SECONDS = 2.2
WITHHELD_SECONDS = 10
PER_PERIOD = 40

ENVELOPES = {
    "taken": (200, 2000, None),
    "refused": (400, 4002, "Invalid request format."),
    "4001": (400, 4001, "Invalid API Token Error."),
    "429": (429, 4006, "API RateLimit exceeded."),
    "5001": (500, 5001, "Invalid API Token Error."),
    "5001 after taking": (500, 5001, "Invalid API Token Error."),
}
RAW = {
    "503 page": (503, b"<html><h1>503 Service Temporarily Unavailable</h1></html>"),
    "garbage": (200, b"\x00\xff{not json"),
    "malformed": (400, b""),
}


class FarSide:
    def __init__(self, seed: str, log: str) -> None:
        self.draw = random.Random(f"{seed} server")
        self.log = open(log, "a", buffering=1)  # noqa: SIM115 - until the process ends
        self.mood = "fair"
        self.is_healed = False
        self.left, self.resets_at = 0, 0.0

    async def have_moods(self) -> None:
        for mood in self._moods():
            if self.is_healed:
                return
            self.mood = mood
            await asyncio.sleep(self.draw.uniform(*MOODS.get(mood, FAIR_SECONDS)))

    def _moods(self) -> Iterator[str]:
        while True:
            for mood in self.draw.sample(sorted(MOODS), len(MOODS)):
                yield from ("fair", mood)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a sender that was killed
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if first.startswith("POST /heal "):
            self.is_healed, self.mood = True, "healed"
            writer.write(self._answer(200, b""))
            return True
        did = self._decide(first, headers, body)
        is_taken = did == "taken" or did in TAKEN_UNHEARD
        words = {"at": time.time(), "sender": headers.get(SENDER_HEADER.lower(), ""), "did": did, "is_taken": is_taken}
        self.log.write(json.dumps({**words, "body": body.decode("latin-1")}) + "\n")
        return await self._do(did, reader, writer)

    def _decide(self, first: str, headers: dict[str, str], body: bytes) -> str:
        try:
            order = json.loads(body)["event_attributes"]["order_id"]
        except (ValueError, KeyError, TypeError):
            return "malformed"
        if not first.startswith(f"POST {PATH} ") or headers.get("authorization") != f"Bearer {TOKEN}":
            return "malformed"
        fault = self._fault()
        if fault in (*TAKEN_UNHEARD, "") and order.endswith(REFUSED_MARK):
            return "refused"
        return fault or "taken"

    def _fault(self) -> str:
        if self.mood == "outage":
            return self.draw.choice(NOT_TAKEN)
        if self.mood == "4001":
            return "4001"
        if self.mood == "rate limit" and self._is_over_limit():
            return "429"
        if self.mood == "fair" and self.draw.random() < FAULT_SHARE:
            return self.draw.choice(ALONE)
        return ""

    def _is_over_limit(self) -> bool:
        now = time.time()
        if now >= self.resets_at:
            self.left, self.resets_at = PER_PERIOD, now + self.draw.uniform(0.7, 2.0)
        self.left -= 1
        return self.left < 0

    async def _do(self, did: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """What the sender gets to see; false if the connection is over."""
        if did.startswith("reset"):
            linger = struct.pack("ii", 1, 0)  # end with a reset, not in good order
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        if did == "withheld":
            await asyncio.wait([asyncio.ensure_future(reader.read())], timeout=WITHHELD_SECONDS)
            return False
        if did == "slow":
            await asyncio.sleep(SLOW_SECONDS)
            writer.write(self._answer(*self._envelope("taken")))
            return False
        if did == "truncated":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b'{"result_code": 20')
            await writer.drain()
            return False
        if self.draw.random() < 0.6:
            await asyncio.sleep(self.draw.uniform(0, 0.3))  # so that something is in flight whenever a worker dies
        await self._answer_early(writer)
        answer = self._answer(*(RAW[did] if did in RAW else self._envelope(did)))
        if self.mood == "fair" and self.draw.random() < UNASKED_SHARE:
            # In one piece: what comes after the next request was sent looks like its answer, and no client can tell.
            answer += self._answer(*self._envelope("refused"))
        writer.write(answer)
        await writer.drain()
        return True

    async def _answer_early(self, writer: asyncio.StreamWriter) -> None:
        """Send interim answers, which a client reads and drops."""
        if self.is_healed or self.draw.random() > EARLY_SHARE:
            return
        for _ in range(self.draw.randint(1, 3)):
            writer.write(self.draw.choice(EARLY))
            await writer.drain()
            await asyncio.sleep(self.draw.choice((0, 0.02, 0.2)))

    def _envelope(self, did: str) -> tuple[int, bytes]:
        status, code, message = ENVELOPES[did]
        return status, json.dumps({"result_code": code, "result_msg": message, "result_data": None}).encode()

    def _answer(self, status: int, body: bytes) -> bytes:
        headers: dict[str, Any] = {"Content-Length": len(body)}
        if self.mood == "rate limit":
            headers["X-Rate-Limit-Limit"] = "1m"
            headers["X-Rate-Limit-Remaining"] = max(0, self.left)
            # Both units have been seen in the wild.
            headers["X-Rate-Limit-Reset"] = int(self.draw.choice((self.resets_at + 1, self.resets_at * 1000)))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


async def main(seed: str, log: str) -> None:
    side = FarSide(seed, log)
    server = await asyncio.start_server(side.serve, "127.0.0.1", 0, backlog=256)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    moods = asyncio.ensure_future(side.have_moods())
    async with server:
        await server.serve_forever()
    await moods


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
