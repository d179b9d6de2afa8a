"""Pixels there and back: shared memory, a folder, the connection; truncated files, full disks."""

from __future__ import annotations

import os
import random
import resource
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from service_support import LONG, eventually

from plugin.client import BackendError, Client, Image
from plugin.client.protocol import CHUNK, SLOT, SLOTS
from plugin.client.window import Window


def picture(width: int = 640, height: int = 480, seed: int = 1) -> Image:
    return Image(width, height, 4, "u8", "BGRA", random.Random(seed).randbytes(width * height * 4))


def echo(client: Client, image: Image) -> bytes:
    reply = client.submit("echo", image=image).result()
    assert reply.values == {"size": len(image.data)}
    assert reply.blocks["before"] == reply.blocks["after"] == b"", "empty blocks arrive, too"
    return reply.blocks["data"]


def use_place(client: Client, name: str) -> Path:
    """Makes `client` use a window of that place; the window's path."""
    link, handover = client._connected()
    notes = dict(link.call("handover_offer"))
    handover.close()
    path = link.call("handover_accept", name, Path(notes[name]).read_bytes())
    assert path, f"no window in {name}"
    handover._window, handover.route = Window(path), name
    return Path(path)


def pixel_files(backend) -> list[Path]:
    shared = backend.home / "run" / "pixels.txt"
    places = [backend.home / "run" / "pixels"]
    if shared.exists():
        places.append(Path(shared.read_text()))
    return [p for place in places for p in place.iterdir() if p.name != "note"]


@pytest.mark.parametrize("place", ["sealed", "shm", "run", "socket"])
def test_the_same_bytes_come_back(backend, connect, place):
    client = connect(share_files=False)
    if place != "socket":
        use_place(client, place)
    sizes = [(1, 1), (640, 480), (1023, 769), (3, 2), (2000, 1500), (3840, 2160)]
    for number, (width, height) in enumerate(sizes):
        image = picture(width, height, number)
        assert echo(client, image) == image.data
    assert client._connected()[1].route == place, "it fell back to calls"


def test_the_best_place_is_taken(backend, connect):
    assert connect()._connected()[1].route == ("sealed" if sys.platform == "linux" else "run")
    assert connect(share_files=False)._connected()[1].route == "socket"


@pytest.mark.parametrize("place", ["sealed", "socket"])
def test_a_piece_more_or_less_than_whole_ones(backend, connect, place):
    client = connect(share_files=place != "socket")
    whole = SLOT if place == "sealed" else CHUNK
    for size in (whole - 512, whole, whole + 512, 4 * whole + 512):
        image = Image(128, size // 512, 4, "u8", "RGBA", os.urandom(size))
        assert echo(client, image) == image.data


@pytest.mark.parametrize("place", ["shm", "run"])
def test_files_are_private_and_reserved(backend, connect, place):
    path = use_place(connect(), place)
    info = path.stat()
    assert stat.S_IMODE(info.st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert info.st_size == SLOT * SLOTS and info.st_blocks * 512 >= info.st_size, "not reserved"


def test_sealed_memory_cannot_be_cut_short(backend, connect):
    path = use_place(connect(), "sealed")
    with open(path, "r+b") as file:
        with pytest.raises(PermissionError):
            os.ftruncate(file.fileno(), 0)
        with pytest.raises(PermissionError):
            os.ftruncate(file.fileno(), SLOT * SLOTS + 1)


def test_only_sealed_memory_is_mapped(backend, connect):
    """A mapped file that somebody truncates would kill the editor."""
    client = connect()
    for place, mapped in (("sealed", True), ("shm", False), ("run", False)):
        use_place(client, place)
        assert (client._connected()[1]._window._map is not None) is mapped


def test_everything_is_freed_at_the_end_of_a_connection(backend, connect):
    client = connect()
    use_place(client, "shm")
    handle = client.put_image(picture(2000, 2000))
    descriptors = len(os.listdir(f"/proc/{backend.ready['pid']}/fd"))
    assert pixel_files(backend) and handle.number
    client.close()
    assert eventually(lambda: not pixel_files(backend))
    assert eventually(lambda: len(os.listdir(f"/proc/{backend.ready['pid']}/fd")) < descriptors)


def test_many_pictures_leave_no_memory_behind(backend, connect):
    client = connect()
    image = picture(1000, 1000)
    for _ in range(5):
        echo(client, image)
    before = backend.memory()
    for _ in range(40):
        job = client.submit("echo", image=image)
        assert job.result().blocks["data"] == image.data
        job.release()
    assert eventually(lambda: backend.memory() - before < 3 * len(image.data))


def test_the_client_must_prove_what_it_sees(backend, connect):
    link, _ = connect(share_files=False)._connected()
    offered = dict(link.call("handover_offer"))
    assert "run" in offered
    assert link.call("handover_accept", "run", b"\0" * 32) == ""
    assert link.call("handover_accept", "/etc", b"") == ""
    assert not pixel_files(backend), "a window in a place that the client has not proved to see"
    note = Path(offered["run"]).read_bytes()
    assert Path(link.call("handover_accept", "run", note)).parent == Path(offered["run"]).parent


@pytest.mark.parametrize("place", ["shm", "run"])
@pytest.mark.parametrize("left", [0, 1, 4096, SLOT + 5])
def test_a_truncated_window_loses_nothing(backend, connect, place, left):
    """Cut short by somebody before the backend reads it: no SIGBUS, the pixels go by calls."""
    client = connect()
    window = use_place(client, place)
    _, handover = client._connected()
    image = picture(2000, 1500)
    put = handover._window.put

    def put_and_cut(slot, content):
        put(slot, content)
        os.truncate(window, left)

    handover._window.put = put_and_cut
    assert echo(client, image) == image.data
    assert handover.route == "socket"
    assert "cannot be read" in backend.log()
    assert backend.process.poll() is None


def test_a_window_truncated_before_the_answer_is_read(backend, connect):
    client = connect()
    window = use_place(client, "shm")
    _, handover = client._connected()
    image = picture(2000, 1500)
    job = client.submit("echo", image=image)
    assert job.wait(LONG).state == "done"
    get = handover._window.get

    def cut_and_get(slot, target):
        os.truncate(window, 1000)
        get(slot, target)

    handover._window.get = cut_and_get
    assert job.result().blocks["data"] == image.data
    assert handover.route == "socket"


def test_a_deleted_window(backend, connect):
    """Somebody cleans /dev/shm: the open file goes on, and new connections find another way."""
    client = connect()
    window = use_place(client, "shm")
    shutil.rmtree(window.parent)
    image = picture()
    assert echo(client, image) == image.data
    second = connect()
    assert echo(second, image) == image.data


def test_a_full_disk_is_noticed_before_anything_is_written(start, connect):
    """RLIMIT_FSIZE lets no file of the backend grow beyond 1 MB, as a full disk would."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    backend = start(kinds=True, preexec_fn=limit)
    client = connect()
    assert client._connected()[1].route == "socket"
    image = picture(1000, 800)
    assert echo(client, image) == image.data
    for place in ("sealed", "shm", "run"):
        assert f"no window in {place}" in backend.log()
    assert not pixel_files(backend)


@pytest.fixture
def small_disk(home):
    """A file system with room for one window at HOME/run."""
    run = home / "run"
    run.mkdir(parents=True)
    size = SLOT * SLOTS + (1 << 20)
    options = ["-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(run)]
    if os.geteuid() or subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield run
    subprocess.run(["umount", "-l", str(run)], check=True)


def test_a_really_full_disk(small_disk, start, connect):
    backend = start(kinds=True)
    image = picture(2000, 1500)
    first, second = connect(), connect()
    window = use_place(first, "run")
    assert echo(first, image) == image.data
    with pytest.raises(AssertionError, match="no window"):
        use_place(second, "run")
    assert echo(second, image) == image.data
    os.truncate(window, 0)  # its reserved space is gone …
    with open(small_disk / "filler", "wb") as filler, pytest.raises(OSError):
        while True:
            filler.write(bytes(65536))  # … and taken by somebody else
            filler.flush()
    assert echo(first, image) == image.data
    assert first._connected()[1].route == "socket"
    assert backend.process.poll() is None


def test_another_machine_or_sandbox(backend, connect):
    """What a client without these folders would see: no note can be read, calls remain."""
    link, handover = connect(share_files=False)._connected()
    asked = link.call

    def elsewhere(name, *arguments):
        answer = asked(name, *arguments)
        if name == "handover_offer":
            return tuple((place, "/nowhere" + path) for place, path in answer)
        return answer

    link.call = elsewhere
    handover._find_window()
    assert handover.route == "socket" and not pixel_files(backend)


def test_buffers_know_their_bounds(backend, connect):
    link, handover = connect()._connected()
    number = link.call("buffer_new", 100)
    assert link.call("buffer_write", number, 0, b"x" * 60) == 60
    for offset, data in ((61, b"x" * 10), (0, b"x"), (60, b"x" * 41), (-1, b"x"), (1 << 40, b"x")):
        with pytest.raises(BackendError):
            link.call("buffer_write", number, offset, data)
        with pytest.raises(BackendError):
            link.call("buffer_load", number, offset, len(data), 0)
    for slot in (-1, SLOTS, 1 << 40):
        with pytest.raises(BackendError, match="slot"):
            link.call("buffer_load", number, 60, 1, slot)
    with pytest.raises(BackendError, match="not arrived completely"):
        link.call("image_put", ("pixels", number, *picture().layout))
    assert link.call("buffer_load", number, 60, 40, SLOTS - 1) is True
    with pytest.raises(BackendError, match="outside"):
        link.call("buffer_read", number, 0, 100)
    with pytest.raises(BackendError, match="picture has 100 bytes"):
        link.call("image_put", ("pixels", number, *picture().layout))
    with pytest.raises(BackendError, match="no such buffer"):
        link.call("buffer_write", number, 0, b"x")


def test_answers_know_their_bounds(backend, connect):
    client = connect()
    link, _ = client._connected()
    job = client.submit("echo", image=picture(10, 10))
    job.wait(LONG)
    parts, number = link.call("result", job.number)
    size = sum(part[2] for part in parts)
    for offset, length in ((size, 1), (0, size + 1), (-1, 5), (0, 0), (0, 1 << 30)):
        with pytest.raises(BackendError):
            link.call("buffer_read", number, offset, length)
        with pytest.raises(BackendError):
            link.call("buffer_show", number, offset, length, 0)
    with pytest.raises(BackendError, match="not the next part"):
        link.call("buffer_write", number, 0, b"x")


def test_another_connection_cannot_use_a_buffer(backend, connect):
    first, second = connect(), connect()
    number = first._connected()[1].send(picture().data)
    with pytest.raises(BackendError, match="no such buffer"):
        second._connected()[0].call("image_put", ("pixels", number, *picture().layout))
