# ruff: noqa: T201 (it prints its port)
"""A long road: hands a TCP stream on, each way some time later, so that round trips can be counted in time.

python delay_proxy.py PORT SECONDS

It prints its own port. ``SECONDS`` are those of one way. A connection of the loopback is made in no time, so
what is sent over it first waits for the round trip that making one takes on a real road.
"""

import asyncio
import collections
import sys


class OneWay:
    """Hands on what comes in, in its order and ``seconds`` later."""

    def __init__(self, seconds, not_before=0.0):
        self._seconds = seconds
        self._not_before = not_before
        self._under_way = collections.deque()
        self._loop = asyncio.get_running_loop()

    def carry(self, deliver, *what):
        starts = max(self._loop.time(), self._not_before)
        self._under_way.append((deliver, what))
        self._loop.call_at(starts + self._seconds, self._arrive)

    def _arrive(self):
        # The oldest one, as two timers of one moment may go off in any order.
        deliver, what = self._under_way.popleft()
        deliver(*what)


class End(asyncio.Protocol):
    """One end of a stream; what comes in here is carried to the other one."""

    def __init__(self, way):
        self._way = way
        self.other = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self._way.carry(self._hand_on, data)

    def connection_lost(self, error):
        self._way.carry(self._hand_on, None)

    def _hand_on(self, data):
        if data is None:
            self.other.transport.close()
        else:
            self.other.transport.write(data)


async def meet(client_end, port, seconds):
    """Lead a client's end on to the server."""
    client_end.transport.pause_reading()
    loop = asyncio.get_running_loop()
    _, server_end = await loop.create_connection(lambda: End(OneWay(seconds)), "127.0.0.1", port)
    client_end.other, server_end.other = server_end, client_end
    client_end.transport.resume_reading()


class Door(End):
    """A client's end, which opens the way to the server."""

    def __init__(self, port, seconds):
        super().__init__(OneWay(seconds, asyncio.get_running_loop().time() + 2 * seconds))
        self._to = port, seconds

    def connection_made(self, transport):
        super().connection_made(transport)
        self._meeting = asyncio.ensure_future(meet(self, *self._to))


async def serve(port, seconds):
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Door(port, seconds), "127.0.0.1", 0, backlog=1_000
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
