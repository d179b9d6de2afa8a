"""Nobody gets in without the token, and nobody can keep others out."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest
from service_support import LONG, ROOT, closed_by_peer, eventually, knock, serve_command

from plugin.client import BackendError, Client
from plugin.client.protocol import TOKEN_SECONDS


@pytest.mark.parametrize(
    "token", ["0" * 64, "ä" * 32, "\0" * 64, b"\xff" * 64, b"GET / HTTP/1.1\r\nHost: x\r\n" * 4]
)
def test_wrong_token(backend, token):
    with knock(backend.run(), token) as sock:
        assert closed_by_peer(sock, LONG)


def test_right_token_with_more_behind_it_is_not_eaten(backend, connect):
    """The first frame may come in the same packet as the token."""
    run = backend.run()
    frame = b"\x00\x00\x00\x05\x00" + b"\x01\x12\x50\x12\x53" + b"\n"  # cut: a broken request
    with knock(run, run["token"].encode() + frame) as sock:
        assert closed_by_peer(sock, LONG)
    assert connect().ping()


def test_wrong_token_in_the_client(backend, home, connect):
    run = backend.run()
    backend.run_file.write_text(backend.run_file.read_text().replace(run["token"], "1" * 64))
    with pytest.raises(BackendError, match="run file's token was refused.*cleanplate stop"):
        connect()


def test_wrong_token_in_a_client_that_may_start_one(backend, home):
    """The one that runs keeps the lock, so no other gets ready: the token is the reason."""
    run = backend.run()
    backend.run_file.write_text(backend.run_file.read_text().replace(run["token"], "1" * 64))
    program = home / "bin" / "cleanplate"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncd {ROOT} && exec {' '.join(serve_command('--idle', '60'))}\n")
    program.chmod(0o755)
    asked = time.monotonic()
    with pytest.raises(BackendError, match="run file's token was refused"):
        Client.connect(home=str(home), timeout=LONG)
    assert time.monotonic() - asked < LONG / 2, "waited for a backend that cannot get ready"
    # What the message says helps: `cleanplate stop` ends both.
    stop = [sys.executable, "-m", "backend", "stop"]
    subprocess.run(stop, cwd=ROOT, env={**os.environ, "CLEANPLATE_HOME": str(home)}, check=True,
                   timeout=LONG)
    with Client.connect(home=str(home), timeout=LONG) as client:
        assert client.ping()
        client.stop_backend()


def test_silent_connections_lock_nobody_out(backend, connect):
    run = backend.run()
    before = backend.threads()
    silent = [knock(run, b"") for _ in range(64)]
    half = [knock(run, run["token"][:40]) for _ in range(64)]
    try:
        assert connect().ping()
        assert not closed_by_peer(silent[-1], 0.001), "had to wait until the silent ones were late"
        assert backend.threads() <= before + 2, "a silent connection costs a thread"
        assert all(closed_by_peer(sock, LONG) for sock in silent + half)
    finally:
        for sock in silent + half:
            sock.close()


def test_more_silent_connections_than_the_gate_holds(backend, connect):
    run = backend.run()
    silent: list[socket.socket] = []
    try:
        for _ in range(600):
            silent.append(knock(run, b""))
        assert connect().ping()
    finally:
        for sock in silent:
            sock.close()


def test_a_dripping_token_is_late(backend):
    run = backend.run()
    started = time.monotonic()
    with knock(run, b"") as sock:
        sock.settimeout(0.2)
        try:
            for character in run["token"]:
                sock.sendall(character.encode())
                time.sleep(0.25)  # 16 s in all
            ended = closed_by_peer(sock, 1.0)
        except OSError:
            ended = True
    assert ended
    assert time.monotonic() - started > TOKEN_SECONDS - 0.5


def test_ten_thousand_wrong_tokens_cost_no_memory(backend, connect):
    run = backend.run()

    def wrong(count: int) -> None:
        for _ in range(count):
            with knock(run, "f" * 64) as sock:
                assert closed_by_peer(sock, LONG)

    wrong(500)  # what the allocator takes once
    before, threads, log = backend.memory(), backend.threads(), len(backend.log())
    wrong(10_000)
    assert backend.memory() - before < 4 << 20
    assert eventually(lambda: backend.threads() <= threads)
    assert len(backend.log()) - log < 2000, "wrong tokens fill the log"
    assert connect().ping()


def test_connections_are_limited_and_come_free_again(backend, connect):
    run = backend.run()
    before = backend.threads()
    admitted = [knock(run) for _ in range(80)]
    try:
        assert eventually(lambda: sum(closed_by_peer(s, 0.01) for s in admitted) >= 80 - 64)
        assert backend.threads() <= before + 64
    finally:
        for sock in admitted:
            sock.close()
    assert eventually(lambda: backend.threads() <= before + 1)
    assert connect().ping()
