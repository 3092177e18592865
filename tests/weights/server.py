"""A web server on this machine that gives files as hubs do, and fails as they do."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Server:
    """Files by path, and faults that are met in order.

    `cuts`: how many bytes of each of the next answers are sent before the connection is closed.
    `statuses`: what the next requests are answered with instead; `headers` go with them.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    etags: bool = True
    piece: int = 1 << 16
    linked: dict[str, str] = field(default_factory=dict)
    """Path -> the SHA-256 that is stated for it."""
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    on_request: Callable[[], object] = lambda: None

    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]

    def __enter__(self) -> Server:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.seen.append((self.path, headers))
            server.on_request()
            if server.statuses:
                self._empty(server.statuses.pop(0), server.headers)
            elif self.path in server.redirects:
                self._empty(302, {"Location": server.redirects[self.path], **self._linked()})
            elif self.path not in server.files:
                self._empty(404, {})
            else:
                self._give(server.files[self.path], headers)

        def _linked(self) -> dict[str, str]:
            stated = server.linked.get(self.path)
            return {"X-Linked-Etag": f'"{stated}"'} if stated else {}

        def _empty(self, status: int, more: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", **more}.items():
                self.send_header(name, value)
            self.end_headers()

        def _give(self, data: bytes, headers: dict[str, str]) -> None:
            etag = f'"{hashlib.sha1(data).hexdigest()}"'
            start = 0
            if server.ranges and (asked := headers.get("range")):
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if headers.get("if-range", etag) != etag:
                    start = 0
                elif start >= len(data):
                    self._empty(416, {"Content-Range": f"bytes */{len(data)}"})
                    return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            if server.etags:
                self.send_header("ETag", etag)
            for name, value in self._linked().items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            stop = len(data) if not server.cuts else min(len(data), start + server.cuts.pop(0))
            for at in range(start, stop, server.piece):
                self.wfile.write(data[at : min(stop, at + server.piece)])
            if stop < len(data):
                self.close_connection = True

    return Handler


def hub(place: str, revision: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """What a hub serves of one repository."""
    served = {f"/{place}/resolve/{revision}/{path}": data for path, data in files.items()}
    return {f"/api/models/{place}/revision/main": json.dumps({"sha": revision}).encode(), **served}
