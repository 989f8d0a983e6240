"""The page as one file: data, scripts, style and Apache ECharts in it, and a policy that lets it load nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import orjson

from lrbench.errors import printable_json

SCRIPTS = ("dom", "theme", "filters", "table", "runs", "lines", "bars", "heat", "ranges", "live", "main")
LIBRARY = "echarts/echarts.min.js"
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {style}; style-src-attr 'unsafe-inline'; img-src data:; "
    "connect-src {connect}; base-uri 'none'; form-action 'none'"
)
_ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def page_html(document: Mapping[str, Any], *, live: bool = False) -> bytes:
    """The page.

    Args:
        live: whether it asks the server that it came from for newer data.
    """
    data = page_data(document).decode().translate(_ESCAPED)  # nothing in it can end the element that it stands in
    return (
        _template()
        .substitute(
            policy=content_policy(live=live),
            style=_style(),
            library=_asset(LIBRARY),
            scripts=_scripts(),
            data=data,
            live="true" if live else "false",
        )
        .encode()
    )


def page_data(document: Mapping[str, Any]) -> bytes:
    """What the page's scripts read, as JSON; NaN is null."""
    return printable_json(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))


@cache
def content_policy(*, live: bool) -> str:
    """The Content-Security-Policy: its own scripts and style by their hashes, and no network but, live, its server."""
    scripts = " ".join(f"'{_hash(text)}'" for text in (_asset(LIBRARY), _scripts()))
    return POLICY.format(scripts=scripts, style=f"'{_hash(_style())}'", connect="'self'" if live else "'none'")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _template() -> Template:
    return Template(_asset("assets/page.html"))


@cache
def _style() -> str:
    return _asset("assets/page.css")


@cache
def _scripts() -> str:
    return '"use strict";\n' + "\n".join(_asset(f"assets/{name}.js") for name in SCRIPTS)


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
