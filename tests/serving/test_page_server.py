"""The server: GET and HEAD of one page and its data, for who means it, and nothing else."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from factories import fake_runs

from lrbench.errors import UsageError
from lrbench.metrics.registry import METRICS
from lrbench.report.build import build_report
from lrbench.report.load import load
from lrbench.serving import live_page
from lrbench.serving.live_page import LivePage
from lrbench.serving.server import PageServer


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    results = tmp_path_factory.mktemp("served")
    fake_runs.write_run(results, "FIX(k0=0.01)")
    (results / "secret.txt").write_text("secret")
    return LivePage(lambda: build_report(load([results]).runs, METRICS["best_accuracy"]), [results])


@pytest.fixture(scope="module")
def server(page):
    with PageServer("127.0.0.1", 0, page) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def ask(server):
    """Sends a request; the Host header is the server's own unless another is given."""

    def send(method, path, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=100)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": f"127.0.0.1:{server.server_port}", **(headers or {})}.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()

    return send


def test_the_page_and_its_data(ask, page):
    answer, body = ask("GET", "/")
    assert (answer.status, body) == (200, page.version().html)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers or "Python" not in answer.headers["Server"]
    answer, body = ask("GET", "/data.json?now")
    assert (answer.status, body) == (200, page.version().data)
    assert json.loads(body)["report"]["policies"][0]["policy"] == "FIX(k0=0.01)"


def test_who_has_the_newest_gets_304_without_a_body(ask):
    tag = ask("GET", "/data.json")[0].headers["ETag"]
    answer, body = ask("GET", "/data.json", {"If-None-Match": tag})
    assert (answer.status, body) == (304, b"")
    assert ask("GET", "/data.json", {"If-None-Match": '"other"'})[0].status == 200


def test_compressed_for_who_takes_it(ask, page):
    answer, body = ask("GET", "/", {"Accept-Encoding": "gzip, br"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == page.version().html
    assert len(body) < len(page.version().html) / 2


def test_it_is_compressed_once_for_all_readers(ask, page, monkeypatch):
    made = []
    whole = gzip.compress

    def counted(*args, **named):
        made.append(1)
        return whole(*args, **named)

    monkeypatch.setattr(gzip, "compress", counted)
    monkeypatch.setattr(page, "_version", replace(page.version(), _made={}))
    with ThreadPoolExecutor(16) as readers:
        answers = list(readers.map(lambda _: ask("GET", "/data.json", {"Accept-Encoding": "gzip"}), range(64)))
    assert {gzip.decompress(body) for _, body in answers} == {page.version().data}
    assert len(made) == 1


def test_while_the_page_is_made_anew_other_readers_get_the_last(page, monkeypatch):
    found = []

    def renew(now):
        reader = threading.Thread(target=lambda: found.append(page.version()))
        reader.start()
        reader.join(timeout=100)

    monkeypatch.setattr(page, "_renew", renew)
    monkeypatch.setattr(live_page, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(live_page, "SHARE", 0.0)
    assert found == [page.version()]


def test_a_request_that_never_ends_is_ended(server, monkeypatch):
    monkeypatch.setattr("lrbench.serving.server.REQUEST_SECONDS", 0.0)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=100) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: local")  # each piece in time, the whole never
        assert connection.recv(1) == b""


def test_readers_beyond_the_most_are_told_to_come_again(page, monkeypatch):
    monkeypatch.setattr("lrbench.serving.server.MOST_CONNECTIONS", 2)
    with PageServer("127.0.0.1", 0, page) as small:
        thread = threading.Thread(target=small.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        held = [http.client.HTTPConnection("127.0.0.1", small.server_port, timeout=100) for _ in range(2)]
        for connection in held:
            connection.request("HEAD", "/")
            connection.getresponse().read()
        with socket.create_connection(("127.0.0.1", small.server_port), timeout=100) as refused:
            assert refused.recv(100).startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: ")
        held[0].close()
        while (found := status(small)) is None:
            pass  # until the thread of the one that went away has heard of it
        assert found == 200
        held[1].close()
        small.shutdown()
        thread.join()


def status(server):
    """Of an answer to GET; None where the reader was turned away, perhaps before it could ask."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=100)
    try:
        connection.request("GET", "/data.json")
        answer = connection.getresponse()
        answer.read()
    except ConnectionError:
        return None
    finally:
        connection.close()
    return None if answer.status == 503 else answer.status


def test_head_has_the_headers_alone(ask, page):
    answer, body = ask("HEAD", "/")
    assert (answer.status, body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(page.version().html))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(ask, method):
    answer, _ = ask(method, "/")
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "//etc/passwd",
        "/etc/passwd",
        "/data.json/../../etc/passwd",
        "/..%2fsecret.txt",
    ],
)
def test_no_address_names_a_file(ask, path):
    answer, body = ask("GET", path)
    assert answer.status == 404
    assert b"secret" not in body
    assert b"root" not in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", None])
def test_another_name_that_points_here_is_refused(ask, host):
    answer, body = ask("GET", "/data.json", {"Host": host})
    assert answer.status in (400, 421)
    assert b"policies" not in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80", "192.168.0.7:8765"])
def test_addresses_and_the_own_name_are_answered(ask, host):
    assert ask("GET", "/data.json", {"Host": host})[0].status == 200


def test_a_port_that_is_taken_is_one_line(server, page):
    with pytest.raises(UsageError) as refused:
        PageServer("127.0.0.1", server.server_port, page)
    assert str(refused.value) == (
        f"127.0.0.1:{server.server_port}: another program listens there; give another --port, or 0 for a free one"
    )


def test_a_place_that_is_not_here_is_one_line(page):
    with pytest.raises(UsageError, match=r"^203\.0\.113\.1:80: cannot listen there: .*; give --host an address"):
        PageServer("203.0.113.1", 80, page)
    with pytest.raises(UsageError, match="cannot listen there"):
        PageServer("no such host", 0, page)
    with pytest.raises(UsageError, match=r"^--host: not a host name; give --host an address"):
        PageServer("a" * 70, 0, page)


@pytest.mark.parametrize(
    ("host", "shown", "local"), [("127.0.0.1", "127.0.0.1", True), ("0.0.0.0", "localhost", False)]
)
def test_what_to_open(page, host, shown, local):
    with PageServer(host, 0, page) as server:
        assert server.url == f"http://{shown}:{server.server_port}/"
        assert server.is_local is local


def test_a_reader_who_goes_away_disturbs_nobody(server, ask, capsys):
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert ask("GET", "/")[0].status == 200
    assert capsys.readouterr().err == ""


def test_a_fault_of_the_server_is_not_hidden(ask, page, capsys, monkeypatch):
    monkeypatch.setattr(page, "_renew", lambda now: 1 // 0)
    monkeypatch.setattr(live_page, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(live_page, "SHARE", 0.0)
    with pytest.raises(http.client.RemoteDisconnected):
        ask("GET", "/")
    assert "ZeroDivisionError" in capsys.readouterr().err


TOKEN = "a-token-of-24-characters"


@pytest.fixture
def guarded(page):
    """A server that asks for a token; sends a request as a browser behind a proxy does."""
    with PageServer("127.0.0.1", 0, page, TOKEN) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()

        def send(path, cookie=None):
            connection = http.client.HTTPConnection("127.0.0.1", running.server_port, timeout=100)
            given = {} if cookie is None else {"Cookie": cookie}
            connection.request("GET", path, headers={"Host": "results.example.org", **given})
            answer = connection.getresponse()
            return answer, answer.read()

        yield running, send
        running.shutdown()
        thread.join()


def test_a_token_is_given_once_and_then_kept_in_a_cookie(guarded, page):
    server, send = guarded
    assert server.url == f"http://127.0.0.1:{server.server_port}/?token={TOKEN}"
    answer, body = send(f"/?token={TOKEN}")
    assert (answer.status, answer.headers["Location"], body) == (303, ".", b"")
    cookie = answer.headers["Set-Cookie"]
    assert cookie == f"lrbench-{server.server_port}={TOKEN}; HttpOnly; SameSite=Lax"
    kept = f"other=1; {cookie.partition(';')[0]}"
    assert send("/", kept)[1] == page.version().html
    assert send("/data.json", kept)[1] == page.version().data
    assert send("/nothing", kept)[0].status == 404


@pytest.mark.parametrize(
    ("path", "cookie"),
    [
        ("/", None),
        ("/data.json", None),
        ("/nothing", None),
        ("/?token=", None),
        (f"/?token={TOKEN[:-1]}", None),
        (f"/?token=%ff{TOKEN}", None),
        ("/", "lrbench-PORT="),
        ("/", f"lrbench-PORT={TOKEN}x"),
        ("/", f"lrbench-1={TOKEN}"),
        ("/", "lrbench-PORT=\xff\xe9"),
    ],
)
def test_without_the_token_nothing_is_shown(guarded, page, path, cookie):
    server, send = guarded
    answer, body = send(path, cookie and cookie.replace("PORT", str(server.server_port)))
    assert (answer.status, body) == (401, b"this page needs its token: /?token=...\n")
    assert answer.headers["Set-Cookie"] is None
