"""Removes passwords from addresses and texts before they are printed, logged or stored.

Several tools accept passwords inside addresses, and quote these addresses in their errors.
"""

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

HIDDEN = "…"
PATHS = ("file", "sqlite", "sqlite+aiosqlite")  # schemes of addresses without user and password
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>|]*[^\s'\"<>|).,;:]")
HOST = re.compile(r"[\w.-]*|\[[0-9A-Fa-f:.]+\]")
WITHOUT_SCHEME = re.compile(r"[\w./~-]*")  # a path, or a name such as databricks
SECRET = re.compile(r"(TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIALS?|API_KEY|ACCESS_KEY|AUTH_STRING)$", re.IGNORECASE)
"Variables whose values are secrets."
SHORTEST = 4  # characters of a secret; shorter values are not hidden in texts


def shown(address: str) -> str:
    """Return an address without user, password, query and fragment; only the scheme of an ambiguous address."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address if WITHOUT_SCHEME.fullmatch(address) else HIDDEN
    path = re.split("[?#]", rest, maxsplit=1)[0]
    return f"{scheme}://{path if scheme in PATHS else _without_user(address)}"


def link(address: str) -> str | None:
    """Return an address for a browser, without secrets; None for a file, a database or an ambiguous address."""
    plain = shown(address)
    return plain if plain.startswith(("http://", "https://")) and not plain.endswith(f"//{HIDDEN}") else None


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a text, such as an error message, without the secrets of its addresses and of the environment."""
    text = ADDRESS.sub(lambda match: shown(match[0]), text)
    for secret in sorted(set(_secrets(environment)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _without_user(address: str) -> str:
    """Return host, port and path; HIDDEN if the end of the password is unclear."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return HIDDEN
    host = parts.netloc.rpartition("@")[2].removesuffix(port)
    if "@" in f"{parts.path}{parts.query}{parts.fragment}" or not HOST.fullmatch(host):
        return HIDDEN
    return f"{host}{port}{parts.path}".rstrip("/")


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        secrets = [value] if SECRET.search(name) else _inside(value)
        yield from (secret for secret in secrets if len(secret) >= SHORTEST)


def _inside(address: str) -> Iterator[str]:
    """Yield the password of an address, as written and unquoted, and its query."""
    user, separator, _ = address.partition("://")[2].rpartition("@")
    if separator and ":" in user:
        password = user.partition(":")[2]
        yield from (password, unquote(password))
    if "://" in address:
        yield address.partition("?")[2]
