"""Pixels there and back: shared memory, a folder, the connection; truncated files, full disks."""

from __future__ import annotations

import os
import random
import resource
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from service_support import serve_command

from plugin.client import BackendError, Client, Image
from plugin.client.protocol import CHUNK


def picture(width: int = 640, height: int = 480, seed: int = 1) -> Image:
    return Image(width, height, 4, "u8", "BGRA", random.Random(seed).randbytes(width * height * 4))


def echo(client: Client, image: Image) -> bytes:
    reply = client.submit("echo", image=image).result()
    assert reply.values == {"size": len(image.data)}
    return reply.blocks["data"]


def route(client: Client) -> list[str]:
    handover = client._connected()[1]
    return handover.shared


def pixel_files(backend) -> list[Path]:
    shared = backend.home / "run" / "pixels.txt"
    places = [backend.home / "run" / "pixels"]
    if shared.exists():
        places.append(Path(shared.read_text()))
    return [p for place in places for p in place.iterdir() if p.name != "note"]


@pytest.mark.parametrize("share_files", [True, False])
def test_the_same_bytes_come_back(backend, connect, share_files):
    client = connect(share_files=share_files)
    assert bool(route(client)) is share_files
    sizes = [(1, 1), (640, 480), (1023, 769), (3, 2), (2000, 1500)]
    for number, (width, height) in enumerate(sizes):
        image = picture(width, height, number)
        assert echo(client, image) == image.data


def test_a_piece_more_or_less_than_whole_chunks(backend, connect):
    client = connect(share_files=False)
    for size in (CHUNK - 256, CHUNK, CHUNK + 256, 3 * CHUNK + 256):
        image = Image(64, size // 256, 4, "u8", "RGBA", os.urandom(size))
        assert echo(client, image) == image.data


def test_files_are_private_reserved_and_reused(backend, connect):
    client = connect()
    link, handover = client._connected()
    number, path = link.call("buffer_new", 1_000_000)
    info = os.stat(path)
    assert stat.S_IMODE(info.st_mode) == 0o600
    assert stat.S_IMODE(os.stat(Path(path).parent).st_mode) == 0o700
    assert info.st_size == 1_000_000 and info.st_blocks * 512 >= 1_000_000, "not reserved"
    link.call("buffer_free", number)
    for seed in range(5):
        image = picture(500, 500, seed)
        assert echo(client, image) == image.data
    assert len(pixel_files(backend)) <= 2


def test_everything_is_freed_at_the_end_of_a_connection(backend, connect):
    client = connect()
    client.put_image(picture())
    link, _ = client._connected()
    link.call("buffer_new", 1 << 20)
    assert pixel_files(backend)
    client.close()
    from service_support import eventually

    assert eventually(lambda: not pixel_files(backend))


def test_the_client_must_prove_what_it_sees(backend, connect):
    link, _ = connect(share_files=False)._connected()
    offered = dict(link.call("handover_offer"))
    assert set(offered) >= {"run"}
    assert link.call("handover_accept", "run", b"\0" * 32) is False
    assert link.call("handover_accept", "/etc", b"") is False
    number, path = link.call("buffer_new", 100)
    assert path == "", "a file was made in a folder that the client does not see"
    note = Path(offered["run"]).read_bytes()
    assert link.call("handover_accept", "run", note) is True
    number, path = link.call("buffer_new", 100)
    assert Path(path).parent == Path(offered["run"]).parent


@pytest.mark.parametrize("left", [0, 1, 4096, 640 * 480 * 4 - 1])
def test_a_truncated_picture_is_an_error_not_a_crash(backend, connect, left):
    client = connect()
    link, handover = client._connected()
    image = picture()
    number = handover.send(image.data)
    path = max(pixel_files(backend), key=lambda p: p.stat().st_size)
    os.truncate(path, left)
    with pytest.raises(BackendError, match="cut short"):
        link.call("image_put", ("pixels", number, *image.layout))
    assert backend.process.poll() is None
    handover.forget(number)
    assert echo(client, image) == image.data, "the connection is not usable any more"


def test_a_result_file_truncated_before_it_is_read(backend, connect):
    client = connect()
    image = picture()
    job = client.submit("echo", image=image)
    assert job.wait(10).state == "done"
    handover = client._connected()[1]
    received = handover.receive

    def cut(number, path, parts):
        os.truncate(path, 1000)
        return received(number, path, parts)

    handover.receive = cut
    with pytest.raises(BackendError, match="cut short"):
        job.result()
    handover.receive = received
    assert job.result().blocks["data"] == image.data, "the result is lost"


def test_a_file_truncated_while_it_lies_free(backend, connect):
    client = connect()
    image = picture()
    assert echo(client, image) == image.data
    for path in pixel_files(backend):
        os.truncate(path, 0)
    assert echo(client, image) == image.data


def test_a_deleted_file_folder(backend, connect):
    """Somebody cleans /dev/shm: the pixels take the next way."""
    client = connect()
    image = picture()
    assert echo(client, image) == image.data
    for path in {p.parent for p in pixel_files(backend)}:
        shutil.rmtree(path)
    assert echo(client, picture(900, 700)) == picture(900, 700).data


def test_a_full_disk_is_noticed_before_anything_is_written(start, connect):
    """RLIMIT_FSIZE lets no file of the backend grow beyond 1 MB, as a full disk would."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    backend = start(kinds=True, preexec_fn=limit)
    client = connect()
    assert route(client)
    small, large = picture(200, 200), picture(1000, 800)
    assert echo(client, small) == small.data
    assert echo(client, large) == large.data, "it did not go through the connection instead"
    assert "no room for 3200000 bytes" in backend.log()
    assert backend.process.poll() is None


@pytest.fixture
def tiny_disk(home):
    """A file system of 2 MB at HOME/run, seen by both ends."""
    run = home / "run"
    run.mkdir(parents=True)
    mounted = shutil.which("mount") and os.geteuid() == 0
    options = ["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(run)]
    if not mounted or subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield run
    subprocess.run(["umount", "-l", str(run)], check=True)


def test_a_really_full_disk(tiny_disk, start, connect):
    """/dev/shm of the backend is another one (so the proof fails there), HOME/run is full."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("a private mount namespace needs root")
    hide = 'mount -t tmpfs -o size=8m tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", hide, "sh", *serve_command(kinds=True)]
    backend = start(command=command)
    client = connect()
    assert route(client) == ["run"], "the client claims to see another process's /dev/shm"
    small, large = picture(200, 200), picture(1000, 800)
    assert echo(client, small) == small.data
    assert echo(client, large) == large.data
    assert "no room for 3200000 bytes" in backend.log()
    (tiny_disk / "filler").write_bytes(bytes(1_700_000 - 2 * 160_000))
    for seed in range(4):
        image = picture(300, 300, seed)
        assert echo(client, image) == image.data
    assert backend.process.poll() is None


def test_buffers_know_their_bounds(backend, connect):
    link, handover = connect(share_files=False)._connected()
    number, _ = link.call("buffer_new", 100)
    assert link.call("buffer_write", number, 90, b"x" * 10) == 10
    for offset, data in ((91, b"x" * 10), (-1, b"x"), (1 << 40, b"x")):
        with pytest.raises(BackendError):
            link.call("buffer_write", number, offset, data)
    for offset, size in ((91, 10), (-1, 5), (0, 0), (0, 1 << 30)):
        with pytest.raises(BackendError):
            link.call("buffer_read", number, offset, size)
    with pytest.raises(BackendError, match="no such buffer"):
        link.call("buffer_read", number + 1, 0, 1)
    with pytest.raises(BackendError, match="picture has 100 bytes"):
        link.call("image_put", ("pixels", number, *picture().layout))
    handover.forget(number)
    with pytest.raises(BackendError, match="no such buffer"):
        link.call("buffer_read", number, 0, 1)


def test_another_connection_cannot_use_a_buffer(backend, connect):
    first, second = connect(), connect()
    number = first._connected()[1].send(picture().data)
    with pytest.raises(BackendError, match="no such buffer"):
        second._connected()[0].call("image_put", ("pixels", number, *picture().layout))
