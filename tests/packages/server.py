"""The transport below the index: HTTP/1.1 on the loopback, kept alive, and closed without a trace."""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable
from email.message import Message

from .simple_api import Answer

Respond = Callable[[str, str, Message], Answer]
"""Method, path and headers -> answer; runs in the connection's thread and may sleep there."""


class Server(http.server.ThreadingHTTPServer):
    """Serves what a function answers, on a port that the system chooses."""

    daemon_threads = True
    request_queue_size = 128  # uv opens fifty connections at once; the default of 5 makes some of them wait a second.

    def __init__(self, respond: Respond) -> None:
        """Binds the port, but serves nothing yet."""
        self.respond = respond
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._stopped = False
        super().__init__(("127.0.0.1", 0), _Handler)
        # A short poll, because closing waits for one.
        self._loop = threading.Thread(target=self.serve_forever, args=(0.01,), name="local index", daemon=True)

    def start(self) -> None:
        """Serves in a thread of its own."""
        self._loop.start()

    def stop(self) -> None:
        """Closes the port and every connection, idle ones too: no thread is left waiting for a client."""
        self.shutdown()
        self._loop.join()
        self.server_close()
        with self._changed:
            self._stopped = True
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, timeout=5)

    def server_bind(self) -> None:
        """Binds without asking for the machine's name, which takes seconds where no name server answers."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def opened(self, connection: socket.socket) -> None:
        """Remembers a connection, so that ``stop`` can close it."""
        with self._changed:
            if self._stopped:
                raise ConnectionAbortedError("accepted while the server was being stopped")
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forgets a connection."""
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing when a client hangs up, as killed clients do; anything else is a defect of the test ground."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            traceback.print_exc()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Writes answers down the wire."""

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # Headers and body leave together; apart, Nagle's algorithm costs 40 ms a request.

    def setup(self) -> None:
        """Reports the connection to the server."""
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        """Reports that the connection is done with, also when the client hung up."""
        self.server.closed(self.connection)
        super().finish()

    def do_GET(self) -> None:
        """Answers a request with its body."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answers a request with its headers alone."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        answer = self.server.respond(self.command, self.path, self.headers)
        if answer.status == 0:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for key, value in answer.headers:
            self.send_header(key, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(answer.body) if answer.announced is None else answer.announced))
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)
        self.close_connection = self.close_connection or answer.announced is not None

    def log_message(self, format: str, *args: object) -> None:
        """Keeps quiet: the index has a log of its own."""
