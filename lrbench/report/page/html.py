"""The page as one file with data, scripts, style and Apache ECharts, and a policy that lets it load nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import orjson

from lrbench.errors import printable_json

SEARCH_SCRIPTS = ("search",)
SCRIPTS = ("dom", "theme", "filters", "table", "runs", "lines", "bars", "heat", "ranges", "live", "main")
STYLE, LIBRARY = "assets/page.css", "echarts/echarts.min.js"
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {style}; style-src-attr 'unsafe-inline'; img-src data:; "
    "connect-src {connect}; base-uri 'none'; form-action 'none'"
)
_ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def page_html(document: Mapping[str, Any], *, live: bool = False) -> bytes:
    """Return the page.

    Args:
        live: whether the page polls its server for newer data.
    """
    text = Template(_asset("assets/page.html")).substitute(
        policy=content_policy(live=live),
        style=_asset(STYLE),
        library=_asset(LIBRARY),
        scripts=_scripts(SCRIPTS),
        data=page_data(document).decode().translate(_ESCAPED),  # so that it cannot end its element
        live="true" if live else "false",
    )
    return text.encode()


def search_html(title: str, body: str, charts: Mapping[str, Any]) -> bytes:
    """Return the page of a search.

    Args:
        body: the blocks of its document, as HTML.
        charts: data of the parallel coordinates and slices.
    """
    text = Template(_asset("assets/search.html")).substitute(
        policy=content_policy(SEARCH_SCRIPTS),
        title=html.escape(title),
        style=_asset(STYLE),
        body=body,
        data=page_data(charts).decode().translate(_ESCAPED),
        library=_asset(LIBRARY),
        scripts=_scripts(SEARCH_SCRIPTS),
    )
    return text.encode()


def page_data(document: Mapping[str, Any]) -> bytes:
    """Return the data of the page's scripts as JSON; NaN is null."""
    return printable_json(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))


@cache
def content_policy(scripts: tuple[str, ...] = SCRIPTS, *, live: bool = False) -> str:
    """Return the Content-Security-Policy: own scripts and style by hash, and no network but, if live, the server."""

    def sources(*texts: str) -> str:
        digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
        return " ".join(f"'sha256-{digest}'" for digest in digests)

    own, style = sources(_asset(LIBRARY), _scripts(scripts)), sources(_asset(STYLE))
    return POLICY.format(scripts=own, style=style, connect="'self'" if live else "'none'")


@cache
def _scripts(names: tuple[str, ...]) -> str:
    return '"use strict";\n' + "\n".join(_asset(f"assets/{name}.js") for name in names)


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
