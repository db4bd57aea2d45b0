"""`python -m bench.load_echo`: the least that can answer HTTP, to see what the load generator can.

Prints its port, then answers whatever comes with the same 13 bytes, until it is stopped.
"""

import selectors
import socket

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, World!"


def main() -> None:
    with selectors.DefaultSelector() as ready, socket.create_server(("127.0.0.1", 0)) as listening:
        ready.register(listening, selectors.EVENT_READ)
        print(listening.getsockname()[1], flush=True)
        while True:
            for key, _ in ready.select():
                if key.fileobj is listening:
                    ready.register(listening.accept()[0], selectors.EVENT_READ, "a caller")
                elif isinstance(key.fileobj, socket.socket):
                    _serve(key.fileobj, ready)


def _serve(caller: socket.socket, ready: selectors.BaseSelector) -> None:
    """A request of the generator fits into one piece."""
    if caller.recv(65_536):
        caller.sendall(_ANSWER)
    else:
        ready.unregister(caller)
        caller.close()


if __name__ == "__main__":
    main()
