"""Addresses of sources in `--source`, `--repository` and `[watch]`: parsed and checked. Pure.

They are later passed to git or uv, so anything that those could take for an option or a command is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec
from packaging.utils import canonicalize_name

from compatmatrix.core.errors import UserError

SCHEMES = ("https", "http", "ssh", "git", "file")
"""Transports that git may use; others, such as `ext::`, run commands."""

FORMS = "'{name} @ git+https://HOST/REPOSITORY@REFERENCE', '{name} @ git+file:///FOLDER@BRANCH' or '{name} @ file:///CHECKOUT-OR-WHEEL'"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a source is: a git repository (``url``) and a reference in it, or a path (a checkout, a wheel)."""

    text: str
    package: str
    url: str = ""
    reference: str = ""
    path: Path | None = None

    @property
    def origin(self) -> str:
        """The repository's address as it may be published (see `published`)."""
        return published(self.url)


def parse(text: str, package: str, key: str = "--source") -> Address:
    """Read ``name @ URL`` (PEP 508) as a source of the package; the address alone is one too.

    Args:
        key: where the text stands, for the message.

    Raises:
        UserError: it is none, or is about another package.
    """
    forms = FORMS.format(name=package)
    if re.match(r"(git\+|file:)", text):
        text = f"{package} @ {text}"
    name, at, url = (part.strip() for part in text.partition("@"))
    if not at or not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise UserError(f"{key} {text}: is no source; write {forms}")
    if canonicalize_name(name) != canonicalize_name(package):
        raise UserError(f"{key} {text}: sources are builds of {package}, not of {name}; write {forms}")
    if url.startswith("git+"):
        base, reference = _split(url.removeprefix("git+"))
        place = f"{key} {text}"
        url, reference = repository(base, place), reference_checked(reference, place)
        return Address(text=text, package=package, url=url, reference=reference)
    split = urlsplit(url)
    if split.scheme == "file" and not split.netloc and split.path.startswith("/") and not split.fragment:
        return Address(text=text, package=package, path=Path(unquote(split.path)))
    raise UserError(f"{key} {text}: {url!r} is not accepted; write {forms}")


def repository(text: str, key: str = "--repository") -> str:
    """Check the address of a git repository, or the path of one on this machine, and return it as git takes it.

    Raises:
        UserError: git could take it for something other than the address of a repository.
    """
    text = text.removeprefix("git+")
    if re.fullmatch(r"[\w.-]+@[\w.-]+:[^:].*", text) and not text.startswith("-"):
        return text
    scheme, colon, rest = text.partition("://")
    if colon:
        if scheme in SCHEMES and rest and not rest.startswith("-") and not re.search(r"[\s\x00-\x1f]", rest):
            return text
    elif text and "::" not in text and not text.startswith("-") and Path(text).is_dir():
        return Path(text).resolve().as_uri()
    raise UserError(f"{key}: {text!r} is no repository; name a folder or an address with {', '.join(SCHEMES)}")


def reference_checked(text: str, key: str) -> str:
    """Check a branch, tag, commit or full reference (`refs/pull/1/head`); an empty one is the repository's HEAD.

    Raises:
        UserError: it is none (`git help check-ref-format`).
    """
    if not text:
        return "HEAD"
    if text.startswith(("-", "+", "/")) or re.search(r"[\s\x00-\x1f\x7f:?*\[\\^~]|\.\.|@\{|//|\.lock$|[/.]$", text):
        raise UserError(f"{key}: {text!r} is no name of a branch, tag, commit or reference")
    return text


def published(url: str) -> str:
    """The address of a repository or index without credentials; empty for one on this machine."""
    if url.startswith("file:") or not url:
        return ""
    split = urlsplit(url)
    if not split.scheme or not split.hostname:
        return re.sub(r"^[^@]*@", "", url)
    host = split.hostname + (f":{split.port}" if split.port else "")
    return urlunsplit((split.scheme, host, split.path, "", ""))


def _split(url: str) -> tuple[str, str]:
    """Address and reference: the part after the last `@` of the path (a user's name stands before the host)."""
    split = urlsplit(url)
    path, at, reference = split.path.rpartition("@")
    if not at:
        path, reference = split.path, ""
    return f"{split.scheme}://{split.netloc}{path}", reference
