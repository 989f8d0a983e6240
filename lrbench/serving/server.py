"""A small, read-only HTTP server for one page and its data."""

from __future__ import annotations

import contextlib
import errno
import hmac
import ipaddress
import platform
import socket
import socketserver
import sys
import threading
import time
import urllib.parse
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from lrbench.errors import NO_MEMORY, UsageError
from lrbench.report.page.html import content_policy
from lrbench.serving.live_page import LivePage

SECONDS_TO_ASK = 30.0
"""Timeout of each read and write of a connection."""
REQUEST_SECONDS = 60.0
"""Time limit of a whole request, from waiting for it until it is answered."""
MOST_CONNECTIONS = 500
"""Connections at a time; further ones get status 503."""
LEAST_TO_COMPRESS = 1400
_REMEDY = "give --host an address of this machine, such as 127.0.0.1"
_HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageServer(ThreadingHTTPServer):
    """Serves ``/`` and ``/data.json``, and nothing else; no part of a URL ever names a file.

    Args:
        host: name or address to listen on.
        port: port to listen on; 0 for a free one.
        token: token that a reader needs, once as ``/?token=...`` and then as a cookie; None: everyone may read. With a
            token any name of the server is good, as a proxy's.

    Raises:
        UsageError: the server cannot listen there.
    """

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, host: str, port: int, page: LivePage, token: str | None = None) -> None:
        self.page = page
        self.token = token
        self._room = threading.Semaphore(MOST_CONNECTIONS)
        self._deadlines: dict[Any, float] = {}
        self._lock = threading.Lock()
        self.names = {host.lower(), "localhost", platform.node().lower()}
        try:
            kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self.address_family = kind
            super().__init__((str(address[0]), port), _Handler)
        except UnicodeError as error:
            raise UsageError("not a host name", where="--host", remedy=_REMEDY) from error
        except OSError as error:
            raise _cannot_listen(host, port, error) from error

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own asks the network for the machine's name
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def url(self) -> str:
        """URL for a browser on this machine."""
        host = self.server_name
        if ipaddress.ip_address(host).is_unspecified:
            host = "localhost"
        place = f"http://[{host}]:{self.server_port}/" if ":" in host else f"http://{host}:{self.server_port}/"
        return place if self.token is None else f"{place}?token={self.token}"

    @property
    def cookie(self) -> str:
        """Name of the cookie; browsers send a machine's cookies to all of its ports."""
        return f"lrbench-{self.server_port}"

    def is_token(self, text: str) -> bool:
        """Whether a text is the token, in a time that does not depend on where it differs."""
        return self.token is not None and hmac.compare_digest(text.encode(), self.token.encode())

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.server_name).is_loopback

    def is_meant(self, host: str | None) -> bool:
        """Whether a Host header names this server, rather than a foreign name that resolves to it (DNS rebinding).

        Any IP address passes, as it cannot be made to point elsewhere; with a token any name does, as a page
        elsewhere has no cookie of this server.
        """
        if self.token is not None:
            return True
        name = host or ""  # name:port or [address]:port
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.rpartition(":")[0]
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.lower().rstrip(".") in self.names
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the connection, unless there are too many."""
        if not self._room.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.sendall(
                    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n"
                    b"Connection: close\r\n\r\n"
                )
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._deadlines.pop(request, None)
            self._room.release()

    def begin_request(self, connection: Any) -> None:
        """Start the time limit of the connection's next request."""
        with self._lock:
            self._deadlines[connection] = time.monotonic() + REQUEST_SECONDS

    def service_actions(self) -> None:
        """Close the connections whose time is over; whatever their threads wait for fails then."""
        now = time.monotonic()
        with self._lock:
            late = [connection for connection, deadline in self._deadlines.items() if deadline < now]
        for connection in late:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore readers who went away; report any other error."""
        error = sys.exc_info()[1]
        if isinstance(error, MemoryError):
            self.page.tell(NO_MEMORY)
        elif not isinstance(error, (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def _cannot_listen(host: str, port: int, error: OSError) -> UsageError:
    message, remedy = f"cannot listen there: {error.strerror or error}", _REMEDY
    if error.errno == errno.EADDRINUSE:
        message, remedy = "another program listens there", "give another --port, or 0 for a free one"
    elif error.errno == errno.EACCES:
        message, remedy = "not allowed to listen there", "give a --port of 1024 or more"
    return UsageError(message, where=f"{host}:{port}", remedy=remedy)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "lrbench"
    sys_version = ""
    timeout = SECONDS_TO_ASK
    server: PageServer

    def handle_one_request(self) -> None:
        """Handle the next request within the time limit."""
        self.server.begin_request(self.connection)
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer with the page or its data, or with 304 where the client has the newest."""
        if not self.server.is_meant(self.headers.get("Host")):
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"not the name of this server\n")
            return
        path, _, query = self.path.partition("?")
        if self.server.token is not None and not self._is_admitted(path, query):
            return
        if path not in ("/", "/data.json"):
            self._answer(HTTPStatus.NOT_FOUND, b"there is / and /data.json\n")
            return
        version = self.server.page.version()
        headers = {"ETag": version.tag}
        if self.headers.get("If-None-Match") == version.tag:
            self._answer(HTTPStatus.NOT_MODIFIED, b"", headers)
            return
        name: Literal["html", "data"] = "html" if path == "/" else "data"
        headers["Content-Type"] = "text/html; charset=utf-8" if name == "html" else "application/json"
        body: bytes = getattr(version, name)
        if len(body) >= LEAST_TO_COMPRESS and "gzip" in self.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = version.compressed(name), "gzip"
        self._answer(HTTPStatus.OK, body, headers)

    do_HEAD = do_GET

    def _is_admitted(self, path: str, query: str) -> bool:
        """Whether the request has the token in its cookie; else it is answered, with the cookie for a right query."""
        given = urllib.parse.parse_qs(query).get("token", [""])[-1]
        if self.server.is_token(given):
            # Lax: with Strict, a browser that follows a link from elsewhere would leave the cookie out after this.
            cookie = f"{self.server.cookie}={given}; HttpOnly; SameSite=Lax"
            self._answer(HTTPStatus.SEE_OTHER, b"", {"Location": path.rpartition("/")[2] or ".", "Set-Cookie": cookie})
            return False
        cookies = (cookie.strip().partition("=") for cookie in self.headers.get("Cookie", "").split(";"))
        if any(name == self.server.cookie and self.server.is_token(value) for name, _, value in cookies):
            return True
        self._answer(HTTPStatus.UNAUTHORIZED, b"this page needs its token: /?token=...\n")
        return False

    def _refuse(self) -> None:
        self.close_connection = True  # what follows may be a body, which nobody reads
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, b"GET and HEAD only\n", {"Allow": "GET, HEAD"})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_CONNECT = do_TRACE = _refuse

    def _answer(self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> None:
        found = {
            **_HEADERS,
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Security-Policy": content_policy(live=True),
            **(headers or {}),
        }
        self.send_response(status)
        for name, value in found.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, for the readers' privacy."""
