"""The peer of handover.py: RPyC as it comes, echoing bytes. Prints its port."""

from __future__ import annotations

import rpyc
from rpyc.utils.server import ThreadedServer


class EchoService(rpyc.Service):
    def exposed_echo(self, data: bytes) -> bytes:
        return data


if __name__ == "__main__":
    server = ThreadedServer(EchoService, hostname="127.0.0.1", port=0)
    server.listener.listen(server.backlog)  # before the port is told: the client connects at once
    print(server.port, flush=True)
    server.start()
