"""URLs in messages: shown without user, password and settings, even where the URL is mistyped."""

from __future__ import annotations

import re

HIDDEN = "..."
# Patterns as text, which ``re`` compiles at their first use: every command loads this module.
_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*"
_URL = rf"(?s)({_SCHEME}):(/+)(.*)"
_IN_TEXT = rf"{_SCHEME}:/+[^\s'\"<>]*[^\s'\"<>;:,.)\]]"
_DRIVER = r"([A-Za-z][A-Za-z0-9.\-]*)\+[^:]*"
_HOST = r"(\[[0-9A-Fa-f:.]*\]|[^:\[\]]*)(:\d*)?"
# Beginnings without ``://`` by which a URL with a slip of the hand is told from the path of a file.
_DATABASES = r"(postgres|postgresql|sqlite|mysql|mariadb|oracle|mssql|redis)(\+\w+)?"
_SLIP = rf"{_SCHEME}:/|{_DATABASES}(:|//)|[^@]*:[^@]*@"


def shown_url(url: str) -> str:
    """The URL without driver, user, password, settings and fragment: ``postgresql://host:1/name``.

    What cannot be taken apart for certain, such as a password with a ``?`` in it, is left out: ``postgresql://...``.
    """
    match = re.fullmatch(_URL, url)
    if match is None:
        return HIDDEN
    scheme, slashes, rest = match.groups()
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    beginning = f"{scheme.partition('+')[0]}:{slashes}"
    if "@" in rest[len(place) :]:
        return beginning + HIDDEN
    place = place.rpartition("@")[2]
    is_file = scheme.startswith("sqlite") and len(slashes) >= 3
    return beginning + (place if is_file or re.fullmatch(_HOST, place.partition("/")[0]) else HIDDEN)


def holds_secrets(text: str) -> bool:
    """Whether a path or URL is a URL of which ``shown_url`` leaves out more than the driver."""
    return "://" in text and shown_url(text) != re.sub(_DRIVER, r"\1", text, count=1)


def is_mistyped_url(text: str) -> bool:
    """Whether a text without ``://``, which may be the path of a file, is more likely a URL with a slip in it."""
    return "://" not in text and re.match(_SLIP, text) is not None


def hide_secrets(text: str) -> str:
    """The text with each of its URLs as ``shown_url`` gives it."""
    return re.sub(_IN_TEXT, lambda match: shown_url(match[0]), text)


def hide_secrets_of(url: str, text: str) -> str:
    """Return a driver's message about a URL, with its password and the values of its settings replaced by ``***``."""
    from urllib.parse import parse_qsl, unquote  # only here, as every command loads this module

    user, _, query = url.partition("://")[2].partition("?")
    password = user.rpartition("@")[0].partition(":")[2]
    secrets = {password, unquote(password), *(value for _, value in parse_qsl(query)), *query.split("=")[1:]} - {""}
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return hide_secrets(text)
