"""Downloads model files: resumable, with progress, and never trusted before the hash is checked.

A download goes to `NAME.part` beside its place and is renamed only when size and hashes are right.
`NAME.part.json` remembers which version of the file the part belongs to (ETag or date and size),
so that a resumed download cannot be sewn together from two versions.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from backend import __version__
from backend.home import private_dir
from backend.models.catalogue import Entry, File
from backend.values import CleanPlateError, Control

CHUNK = 1 << 18
TIMEOUT = 30.0
PINS = "pins.json"


class DownloadFailed(CleanPlateError):
    """A file could not be downloaded; what was received is kept for the next try."""


class WrongFile(CleanPlateError):
    """A file is not the one its project published."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to an unprotected address."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # noqa: ANN001, ANN201
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise DownloadFailed(f"{_host(req.full_url)} redirects to an unprotected address.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def digests(path: Path, control: Control | None = None) -> tuple[str, str]:
    """(SHA-256, MD5) of a file, hexadecimal."""
    sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            if control is not None:
                control.check()
            sha.update(block)
            md5.update(block)
    return sha.hexdigest(), md5.hexdigest()


def _pins(folder: Path) -> dict[str, str]:
    try:
        return json.loads((folder / PINS).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise WrongFile(
            f"{folder / PINS} is damaged. Delete it and install the models again."
        ) from error


def _pin(path: Path, sha: str) -> None:
    pins = _pins(path.parent)
    if pins.get(path.name) != sha:
        pins[path.name] = sha
        _replace_text(path.parent / PINS, json.dumps(pins, indent=1, sort_keys=True))


def _replace_text(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)


def has_published_hash(file: File) -> bool:
    return bool(file.sha256 or file.sha256_prefix or file.md5)


def verify(file: File, path: Path, control: Control | None = None) -> None:
    """Raises WrongFile unless `path` is the published file (or, without a published hash, the
    file that was pinned here at first use). Nothing may open a model file before this."""
    sha = _check_published(file, path, control)
    if not has_published_hash(file):
        pinned = _pins(path.parent).get(path.name)
        if pinned and pinned != sha:
            raise WrongFile(
                f"{path.name} has changed since its first use. If you replaced it on purpose, run "
                "`cleanplate models remove` and install it again."
            )
        _pin(path, sha)
        if control is not None:
            control.note(f"{path.name}: its project publishes no hash; pinned to {sha[:16]}….")


def _check_published(file: File, path: Path, control: Control | None) -> str:
    """SHA-256 of `path`; raises WrongFile where it contradicts what is published of `file`."""
    sha, md5 = digests(path, control)
    expected = [
        ("SHA-256", file.sha256, sha),
        ("SHA-256", file.sha256_prefix, sha[: len(file.sha256_prefix or "")]),
        ("MD5", file.md5, md5),
    ]
    for kind, want, got in expected:
        if want and want != got:
            raise WrongFile(
                f"{file.name} is not the published file ({kind} {got[:16]}…, expected "
                f"{want[:16]}…). Delete it and install the model again."
            )
    return sha


def forget_pin(path: Path) -> None:
    pins = _pins(path.parent)
    if pins.pop(path.name, None):
        _replace_text(path.parent / PINS, json.dumps(pins, indent=1, sort_keys=True))


def install_files(
    entry: Entry,
    control: Control,
    on_bytes: Callable[[str, int, int | None], None] | None = None,
) -> list[Path]:
    """Downloads what is missing of `entry`; `on_bytes(file, received, total)` reports progress.

    A file that is there already is checked instead. Raises DownloadFailed, WrongFile, Cancelled.
    """
    done = []
    for index, file in enumerate(entry.files):
        path = entry.path(file)
        private_dir(path.parent)
        if path.exists():
            verify(file, path, control)
        else:
            _download(file, path, control, on_bytes)
        control.progress((index + 1) / len(entry.files), f"{file.name} is installed")
        done.append(path)
    return done


def _download(file: File, path: Path, control: Control, on_bytes) -> None:  # noqa: ANN001
    part = path.with_name(path.name + ".part")
    resumed = _receive(file, path, part, control, on_bytes)
    try:
        sha = _check_published(file, part, control)
    except WrongFile:
        _drop_part(part)
        if not resumed:
            raise
        # A broken earlier part is no reason to refuse the file: once more, from its beginning.
        _receive(file, path, part, control, on_bytes)
        try:
            sha = _check_published(file, part, control)
        except WrongFile:
            _drop_part(part)
            raise
    os.replace(part, path)
    _drop_part(part)
    if not has_published_hash(file):
        _pin(path, sha)


def _drop_part(part: Path) -> None:
    for leftover in (part, part.with_name(part.name + ".json")):
        leftover.unlink(missing_ok=True)


def _receive(file: File, path: Path, part: Path, control: Control, on_bytes) -> bool:  # noqa: ANN001
    """Fills `part`; tells whether it went on from an earlier try."""
    by_hand = f"Or download {file.url} by other means and save it as {path}."
    try:
        return _receive_once(file, part, control, on_bytes)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is longer than the file: it is of another version
            _drop_part(part)
            raise DownloadFailed(f"{file.name} changed at its source; try again.") from error
        raise DownloadFailed(
            f"{_host(file.url)} answered {error.code} {error.reason} for {file.name}. "
            f"Try again later. {by_hand}"
        ) from error
    except (urllib.error.URLError, TimeoutError, http.client.HTTPException, ConnectionError) as err:
        reason = getattr(err, "reason", None) or err
        raise DownloadFailed(
            f"The download of {file.name} from {_host(file.url)} broke off ({reason}). "
            f"Check the network and run the same command again: it goes on where it stopped. "
            f"{by_hand}"
        ) from err
    except OSError as error:
        raise DownloadFailed(
            f"{file.name} could not be written ({error.strerror or error}). Free some disk space "
            "and run the same command again: it goes on where it stopped."
        ) from error


def _receive_once(file: File, part: Path, control: Control, on_bytes) -> bool:  # noqa: ANN001
    note = part.with_name(part.name + ".json")
    have = part.stat().st_size if part.exists() else 0
    version = _read_version(note) if have else {}
    request = urllib.request.Request(file.url)
    request.add_header("User-Agent", f"cleanplate/{__version__}")
    if have and version.get("url") == file.url and version.get("tag"):
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", version["tag"])
    opener = urllib.request.build_opener(_SafeRedirects())
    with opener.open(request, timeout=TIMEOUT) as reply:
        resumed = reply.status == 206 and _starts_at(reply.headers.get("Content-Range"), have)
        start = have if resumed else 0
        length = reply.headers.get("Content-Length")
        announced = start + int(length) if length and length.isdigit() else None
        total = announced or file.size
        exact = file.sha256 is not None and file.size is not None
        if exact and announced is not None and announced != file.size:
            raise WrongFile(
                f"{_host(file.url)} offers {file.name} with {announced} bytes; "
                f"{file.size} were published."
            )
        _check_space(part.parent, (total or 0) - start, file.name)
        tag = reply.headers.get("ETag") or reply.headers.get("Last-Modified") or ""
        if tag.startswith("W/"):
            tag = ""  # a weak tag does not promise equal bytes
        _replace_text(note, json.dumps({"url": file.url, "tag": tag}))
        received = start
        with part.open("ab" if resumed else "wb") as out:
            while True:
                control.progress(received / total if total else 0.0, f"Downloading {file.name}")
                if on_bytes is not None:
                    on_bytes(file.name, received, total)
                block = reply.read(CHUNK)
                if not block:
                    break
                received += len(block)
                if (announced or exact) and received > (total or 0):
                    raise WrongFile(f"{file.name} is longer than {_host(file.url)} announced.")
                out.write(block)
        if announced is not None and received < announced:
            raise http.client.IncompleteRead(b"", announced - received)
    return bool(resumed)


def _starts_at(content_range: str | None, start: int) -> bool:
    return bool(content_range) and str(content_range).startswith(f"bytes {start}-")


def _read_version(note: Path) -> dict[str, str]:
    try:
        return json.loads(note.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def _check_space(folder: Path, needed: int, name: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadFailed(
            f"{name} needs {needed / 1e6:.0f} MB, but only {free / 1e6:.0f} MB are free in "
            f"{folder}. Free some space, or set CLEANPLATE_HOME to a larger disk."
        )
