"""Downloads against a real HTTP server on this machine that can break off, lie and change."""

from __future__ import annotations

import hashlib
import http.server
import threading
import types
from dataclasses import replace

import pytest

from backend.models import catalogue, command, download, store
from backend.models.catalogue import Entry, File
from backend.values import Cancelled, CleanPlateError, Control, ModelUnavailable

CONTENT = bytes(range(256)) * 8000  # 2 MB


class Source(http.server.BaseHTTPRequestHandler):
    """Serves `server.content` with ranges; `server.cut_after` breaks the connection once."""

    def do_GET(self):  # noqa: N802
        server = self.server
        server.requests.append(dict(self.headers))
        content, start = server.content, 0
        if self.path == "/gone":
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") == server.tag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("ETag", server.tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut, server.cut_after = server.cut_after, None
        self.wfile.write(body[:cut] if cut else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def source():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Source)
    server.content, server.tag, server.cut_after, server.requests = CONTENT, '"v1"', None, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def entry(source, tmp_path, monkeypatch):
    monkeypatch.setenv("CLEANPLATE_HOME", str(tmp_path))
    url = f"http://127.0.0.1:{source.server_address[1]}/weights.bin"
    sha = hashlib.sha256(CONTENT).hexdigest()
    made = Entry(
        "test-model", "people", "A test's model", "MIT", 99, "nowhere:load",
        (File("weights.bin", url, len(CONTENT), sha),),
    )  # fmt: skip
    monkeypatch.setattr(catalogue, "ENTRIES", [*catalogue.ENTRIES, made])
    return made


def with_file(entry: Entry, **changes) -> Entry:
    return replace(entry, files=(replace(entry.files[0], **changes),))


def test_installs_and_becomes_the_default(entry, capsys):
    assert not store.installed(entry)
    assert command.run(_args("install", "test-model")) == 0
    out = capsys.readouterr().out
    assert "licence MIT" in out and "2 MB" in out
    assert entry.path(entry.files[0]).read_bytes() == CONTENT
    assert store.default("people").name == "test-model"
    assert command.run(_args("remove", "test-model")) == 0
    assert not entry.path(entry.files[0]).exists()
    assert store.default("people").name != "test-model"


def test_removing_a_shared_file_tells_who_else_used_it(entry, monkeypatch, capsys):
    sibling = replace(entry, name="test-sibling", rank=98)
    monkeypatch.setattr(catalogue, "ENTRIES", [*catalogue.ENTRIES, sibling])
    assert command.run(_args("install", "test-model")) == 0
    assert store.installed(sibling)
    capsys.readouterr()
    assert command.run(_args("remove", "test-model")) == 0
    assert "test-sibling" in capsys.readouterr().out
    assert not store.installed(sibling)


def test_goes_on_after_an_interruption(entry, source):
    source.cut_after = 700_000
    with pytest.raises(download.DownloadFailed, match="goes on where it stopped"):
        download.install_files(entry, Control())
    assert not entry.path(entry.files[0]).exists()
    download.install_files(entry, Control())
    assert source.requests[-1]["Range"].startswith("bytes=")
    assert source.requests[-1]["Range"] != "bytes=0-"
    assert entry.path(entry.files[0]).read_bytes() == CONTENT
    assert not list(entry.path(entry.files[0]).parent.glob("*.part*"))


def test_a_changed_source_is_not_sewn_to_the_old_part(entry, source):
    source.cut_after = 700_000
    with pytest.raises(download.DownloadFailed):
        download.install_files(entry, Control())
    source.tag = '"v2"'
    download.install_files(entry, Control())
    assert entry.path(entry.files[0]).read_bytes() == CONTENT


def test_a_spoilt_part_is_fetched_again(entry, source):
    source.cut_after = 700_000
    with pytest.raises(download.DownloadFailed):
        download.install_files(entry, Control())
    part = entry.path(entry.files[0]).with_name("weights.bin.part")
    part.write_bytes(b"\0" * part.stat().st_size)
    download.install_files(entry, Control())
    assert entry.path(entry.files[0]).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "change",
    [{"sha256": "0" * 64}, {"sha256": None, "sha256_prefix": "00000000"},
     {"sha256": None, "md5": "0" * 32}],
)  # fmt: skip
def test_a_wrong_hash_leaves_nothing(entry, change):
    bad = with_file(entry, **change)
    with pytest.raises(download.WrongFile, match="not the published file"):
        download.install_files(bad, Control())
    assert not list(bad.path(bad.files[0]).parent.glob("weights*"))


def test_torchvision_prefix_is_enough(entry):
    prefix = hashlib.sha256(CONTENT).hexdigest()[:8]
    good = with_file(entry, sha256=None, size=None, sha256_prefix=prefix)
    download.install_files(good, Control())
    path = good.path(good.files[0])
    path.write_bytes(CONTENT + b"x")
    with pytest.raises(download.WrongFile):
        download.verify(good.files[0], path)


def test_a_file_without_hash_is_pinned(entry):
    free = with_file(entry, sha256=None, size=None)
    download.install_files(free, Control())
    path, control = free.path(free.files[0]), Control()
    download.verify(free.files[0], path, control)
    assert "publishes no hash" in control.notes[0]
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(download.WrongFile, match="changed since its first use"):
        download.verify(free.files[0], path)


def test_full_disk_keeps_the_part(entry, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=5))
    with pytest.raises(download.DownloadFailed, match="Free some space"):
        download.install_files(entry, Control())


def test_write_error_is_explained(entry, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def write(self, _):
            raise OSError(28, "No space left on device")

    original = download.Path.open

    def open_part(self, mode="r", *rest, **named):
        return (
            Full()
            if self.name.endswith(".part") and "b" in mode and mode != "rb"
            else original(self, mode, *rest, **named)
        )

    monkeypatch.setattr(download.Path, "open", open_part)
    with pytest.raises(download.DownloadFailed, match="No space left.*Free some disk space"):
        download.install_files(entry, Control())


def test_missing_file_and_no_network(entry, source):
    gone = with_file(entry, url=entry.files[0].url.replace("weights.bin", "gone"))
    with pytest.raises(download.DownloadFailed, match="404"):
        download.install_files(gone, Control())
    nobody = with_file(entry, url="http://127.0.0.1:9/weights.bin")
    with pytest.raises(download.DownloadFailed, match="Check the network"):
        download.install_files(nobody, Control())


def test_wrong_announced_size_is_refused_before_download(entry, source):
    source.content = CONTENT + b"more"
    with pytest.raises(download.WrongFile, match="were published"):
        download.install_files(entry, Control())


def test_cancel_keeps_what_came(entry):
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(Cancelled):
        download.install_files(entry, Control(cancelled=cancelled))
    part = entry.path(entry.files[0]).with_name("weights.bin.part")
    assert 0 < part.stat().st_size < len(CONTENT)


def test_redirect_to_unprotected_address_is_refused():
    import urllib.request

    handler = download._SafeRedirects()
    request = urllib.request.Request("https://example.org/x")
    with pytest.raises(download.DownloadFailed, match="unprotected"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/x")


def test_a_changed_model_is_never_loaded(entry):
    path = entry.path(entry.files[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not the model")
    with pytest.raises(download.WrongFile):
        store.ModelStore("cpu").get("people", "test-model", Control())


def test_unknown_and_missing_models_say_what_to_do(entry):
    models = store.ModelStore("cpu")
    with pytest.raises(ModelUnavailable, match="cleanplate models install test-model"):
        models.get("people", "test-model", Control())
    with pytest.raises(ModelUnavailable, match="Known: .*people-builtin"):
        models.get("people", "no-such-model", Control())
    with pytest.raises(CleanPlateError, match="built in"):
        command.run(_args("install", "people-builtin"))


def _args(verb: str, *names: str):
    import argparse

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([verb, *names, *(["--yes"] if verb == "install" else [])])
