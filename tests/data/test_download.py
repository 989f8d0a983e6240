import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from lrbench.data import sources as module
from lrbench.data.sources import RemoteFile, download, silent
from lrbench.errors import DataError

CONTENT = np.random.default_rng(3).integers(0, 256, 3_000_000, dtype=np.uint8).tobytes()


class Server:
    """A real HTTP server; ``cuts`` are the bytes after which its answers break off, one for each request in turn."""

    def __init__(self):
        self.content, self.ranges, self.length, self.status = CONTENT, True, True, 200
        self.cuts, self.asked = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/files/blob.bin"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request):
        asked = request.headers.get("Range")
        self.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if self.status != 200:
            return request.send_error(self.status)
        if start >= len(self.content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.content)}")
            request.send_header("Content-Length", "0")
            return request.end_headers()
        body = self.content[start:]
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.length:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        request.close_connection = True
        return None


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture
def other():
    running = Server()
    yield running
    running.close()


def intact(path):
    return path.read_bytes() == CONTENT


def fetch(folder, *servers, progress=silent):
    return download(RemoteFile("blob.bin", tuple(server.url for server in servers), intact), folder, progress)


def part(folder, server):
    return folder / f"blob.bin.{hashlib.sha256(server.url.encode()).hexdigest()[:8]}.part"


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_file_is_downloaded_once_and_the_amount_told(server, tmp_path):
    told = []
    path = fetch(tmp_path / "new", server, progress=lambda *args: told.append(args))
    assert intact(path)
    assert told[-1] == (len(CONTENT), len(CONTENT), f"downloading blob.bin from {server.url.split('/')[2]}")
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert fetch(tmp_path / "new", server) == path
    assert server.asked == [None]
    assert visible(tmp_path / "new") == ["blob.bin"]


def test_a_cut_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.cuts = [1_000_000, 500_000]
    assert intact(fetch(tmp_path, server))
    assert server.asked == [None, "bytes=1000000-", "bytes=1500000-"]


def test_what_an_earlier_process_left_is_gone_on_from(server, tmp_path):
    part(tmp_path, server).write_bytes(CONTENT[:2_000_000])
    assert intact(fetch(tmp_path, server))
    assert server.asked == ["bytes=2000000-"]


def test_a_connection_that_always_breaks_at_once_gives_up_and_keeps_what_came(server, tmp_path):
    server.cuts = [1_000_000] + [0] * 10
    with pytest.raises(DataError, match=r"the connection broke .* after 1000000 bytes"):
        fetch(tmp_path, server)
    assert part(tmp_path, server).read_bytes() == CONTENT[:1_000_000]
    server.cuts = []
    assert intact(fetch(tmp_path, server))
    assert server.asked[-1] == "bytes=1000000-"


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.cuts = False, [1_000_000]
    assert intact(fetch(tmp_path, server))
    assert server.asked == [None, "bytes=1000000-"]


def test_a_server_without_ranges_that_breaks_each_time_is_not_asked_for_ever(server, tmp_path):
    server.ranges, server.cuts = False, [1000, 500] * 50
    with pytest.raises(DataError, match="the connection broke"):
        fetch(tmp_path, server)
    assert len(server.asked) < 10


def test_a_file_of_untold_length_is_downloaded(server, tmp_path):
    server.length = False
    told = []
    assert intact(fetch(tmp_path, server, progress=lambda *args: told.append(args)))
    assert told == [(0, 0, f"downloading blob.bin from {server.url.split('/')[2]}")]


@pytest.mark.parametrize(
    "left",
    [b"x" * 2_000_000, CONTENT + b"x", b"x" * len(CONTENT)],
    ids=["other beginning", "too long", "other content"],
)
def test_a_part_that_is_no_beginning_of_the_file_is_given_up(server, tmp_path, left):
    part(tmp_path, server).write_bytes(left)
    assert intact(fetch(tmp_path, server))
    assert server.asked[-1] is None


def test_a_part_that_is_whole_needs_no_more_bytes(server, tmp_path):
    part(tmp_path, server).write_bytes(CONTENT)
    assert intact(fetch(tmp_path, server))
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_the_next_address_is_tried_when_one_lacks_the_file(server, other, tmp_path):
    server.status = 404
    assert intact(fetch(tmp_path, server, other))
    assert (len(server.asked), len(other.asked)) == (1, 1)


def test_a_busy_server_is_asked_again(server, other, tmp_path):
    server.status = 503
    assert intact(fetch(tmp_path, server, other))
    assert len(server.asked) == 4


def test_parts_of_other_addresses_are_removed_at_the_end(server, other, tmp_path):
    server.cuts = [1_000_000] + [0] * 10
    assert intact(fetch(tmp_path, server, other))
    assert visible(tmp_path) == ["blob.bin"]


def test_a_wrong_checksum_leaves_nothing_and_all_addresses_are_named(server, other, tmp_path):
    server.content, other.status = CONTENT[:-1] + b"x", 404
    with pytest.raises(DataError) as error:
        fetch(tmp_path, server, other)
    hosts = [each.url.split("/")[2] for each in (server, other)]
    assert str(error.value) == (
        f"blob.bin: could not be downloaded ({hosts[0]}: what it sends is not the published file; "
        f"{hosts[1]}: HTTP 404); check the connection, or name a folder that has it with --from"
    )
    assert visible(tmp_path) == []


def test_no_connection_is_one_line(tmp_path):
    server = Server()
    server.close()
    with pytest.raises(DataError, match=r"no connection \(ConnectionError\)\); check the connection, or name a folder"):
        fetch(tmp_path, server)


def test_a_damaged_file_is_downloaded_again_and_that_is_said(server, tmp_path):
    (tmp_path / "blob.bin").write_bytes(CONTENT[:-1])
    told = []
    assert intact(fetch(tmp_path, server, progress=lambda *args: told.append(args)))
    assert told[0] == (0, 0, f"{tmp_path / 'blob.bin'} is damaged and is downloaded again")


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/downloads/blob\.bin: cannot be written: Not a directory"):
        fetch(tmp_path / "file" / "downloads", server)
