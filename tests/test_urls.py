"""URLs in messages: nothing of user, password and settings is shown, however a URL is mistyped."""

from __future__ import annotations

import pytest

from lrbench.errors import UsageError
from lrbench.urls import hide_secrets, hide_secrets_of, holds_secrets, is_mistyped_url, shown_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://host:1/x", "postgresql://host:1/x"),
        ("postgresql://u:SECRET@host:1/x", "postgresql://host:1/x"),
        ("postgresql+psycopg://SECRET@host/x", "postgresql://host/x"),
        ("postgresql://host:1/x?user=SECRET&password=SECRET", "postgresql://host:1/x"),
        ("postgresql://u:SE@CRET@host/x", "postgresql://host/x"),
        ("postgresql://u:SECRET/SECRET@host/x", "postgresql://host/x"),
        ("postgresql://u:SECRET@[::1]:5432/x#SECRET", "postgresql://[::1]:5432/x"),
        ("postgresql:/u:SECRET@host/x", "postgresql:/host/x"),
        ("postgresql:///x?host=SECRET", "postgresql:///x"),
        ("postgresql://u:SEC?RET@host/x", "postgresql://..."),
        ("postgresql://host/x?password=SECRET@SECRET", "postgresql://..."),
        ("postgresql://u:SEC#RET@host/x", "postgresql://..."),
        ("postgresql://u:SECRET", "postgresql://..."),
        ("postgresql://u:SECRET/host", "postgresql://..."),
        ("sqlite:///x:y.sqlite", "sqlite:///x:y.sqlite"),
        ("sqlite:////tmp/x:y.sqlite", "sqlite:////tmp/x:y.sqlite"),
        ("u:SECRET@host/x", "..."),
    ],
)
def test_how_a_url_is_shown(url, shown):
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:/u:SECRET@h/x",
        "postgresql:u:SECRET@h/x",
        "postgresql//u:SECRET@h/x",
        "u:SECRET@h/x",
        "sqlite:x.sqlite",
        "htp:/h/x",
    ],
)
def test_slips_are_told_from_paths(text):
    assert is_mistyped_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "a.sqlite",
        "/data/a.sqlite",
        "postgresql/study.journal",
        "me@host.sqlite",
        "a:b",
        "with space ?#%41.db",
        "postgresql://h/x",
    ],
)
def test_paths_and_urls_are_no_slips(text):
    assert not is_mistyped_url(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("got (postgresql://u:SECRET@h/x); see help", "got (postgresql://h/x); see help"),
        ("'postgresql://h/x?password=SECRET': bad", "'postgresql://h/x': bad"),
        ("postgresql:/u:SECRET@h/x: no such folder", "postgresql:/h/x: no such folder"),
        ("spec.yaml:12: user@host, a: b@c", "spec.yaml:12: user@host, a: b@c"),
    ],
)
def test_urls_in_a_text(text, shown):
    assert hide_secrets(text) == shown
    assert str(UsageError(text, where=text)) == f"{shown}: {shown}"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("/tmp/x:y.sqlite", False),
        ("C:x@y.sqlite", False),
        ("sqlite:////tmp/x:y.sqlite", False),
        ("postgresql://host:1/x", False),
        ("postgresql+psycopg://host/x", False),
        ("postgresql://SECRET@host/x", True),
        ("postgresql+psycopg://u:SECRET@host/x", True),
        ("postgresql://host/x?password=SECRET", True),
        ("postgresql://u:SECRET", True),
        ("postgresql://SEC RET@host/x", True),
    ],
)
def test_which_places_may_be_typed_again_in_a_message(text, secret):
    assert holds_secrets(text) == secret


def test_what_a_driver_repeats_of_a_url():
    text = 'bad "SECRET" for "s e" and "u", not SECRETS'
    url = "postgresql://u:SECRET@h/x?options=s%20e"
    assert hide_secrets_of(url, text) == 'bad "***" for "***" and "u", not SECRETS'
