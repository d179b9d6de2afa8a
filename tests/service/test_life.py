"""One backend per user: start, second start, killed, stopped, idle."""

from __future__ import annotations

import functools
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from service_support import LONG, ROOT, BackendProcess, eventually, serve_command

from backend.service.server import Server
from backend.service.service import PlateService
from plugin.client import BackendError, Client
from plugin.client.connection import Link
from plugin.client.protocol import PROTOCOL, RUN_KEYS

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file modes and signals")


def test_ready_line_and_run_file(start):
    backend = start()
    assert {"host", "port", "pid", "protocol", "version"} <= set(backend.ready)
    assert "token" not in backend.ready, "the secret belongs into the private file only"
    run = backend.run()
    assert set(run) == set(RUN_KEYS)
    assert run["host"] == "127.0.0.1" and run["protocol"] == PROTOCOL
    assert run["pid"] == backend.process.pid and len(run["token"]) == 64
    assert run["token"].isascii()


@posix
def test_private_modes(start):
    backend = start()
    assert stat.S_IMODE(backend.run_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(backend.run_file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((backend.home / "logs" / "backend.log").stat().st_mode) == 0o600


def test_listens_on_loopback_only(start):
    backend = start()
    port = f":{backend.ready['port']:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    assert [a for a in listening if a.endswith(port)] == ["0100007F" + port]


def test_ready_without_the_heavy_packages(home):
    """What `serve` imports until it is ready, asked of the interpreter itself."""
    code = (
        "import sys, json, os\n"
        "from backend.service import command\n"
        "def ready(line):\n"
        "    heavy = {'torch', 'torchvision', 'cv2', 'numba', 'scipy', 'PIL', 'onnxruntime'}\n"
        "    print(json.dumps(sorted(heavy & set(sys.modules))), flush=True)\n"
        "    os._exit(0)\n"
        "command._say = ready\n"
        "from backend.cli import main\n"
        "main(['serve'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=LONG,
        env={**os.environ, "CLEANPLATE_HOME": str(home)},
    )  # fmt: skip
    assert json.loads(done.stdout) == [], done.stderr


def test_second_serve_prints_the_first_ones_line(start):
    first = start()
    second = start(ready=False)
    output, errors = second.process.communicate(timeout=LONG)
    assert second.process.returncode == 0, errors
    assert json.loads(output) == first.ready
    assert first.process.poll() is None


def test_serves_started_at_the_same_instant(start):
    """All but one end with 0 and print the same line; one backend is left."""
    several = [start(ready=False) for _ in range(4)]
    lines = [process.wait_ready() for process in several]
    assert all(line == lines[0] for line in lines)
    assert eventually(lambda: sum(p.process.poll() is None for p in several) == 1)
    ended = [p.process.returncode for p in several if p.process.poll() is not None]
    assert ended == [0, 0, 0]
    alive = next(p for p in several if p.process.poll() is None)
    assert alive.process.pid == lines[0]["pid"] == alive.run()["pid"]


@posix
def test_restart_after_kill_cleans_up(start, connect):
    killed = start()
    connect().put_image(small_image())
    shared = (killed.home / "run" / "pixels.txt").read_text()
    left = [Path(shared), killed.home / "run" / "pixels"]
    killed.process.kill()
    killed.process.wait()
    assert killed.run_file.exists() and left[0].exists()
    (killed.home / "run" / "backend.json.12345").write_text("half written")
    again = start()
    assert again.run()["pid"] == again.process.pid != killed.process.pid
    assert not left[0].exists()
    assert not (killed.home / "run" / "backend.json.12345").exists()


@posix
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_and_removes_everything(start, kind):
    backend = start()
    shared = Path((backend.home / "run" / "pixels.txt").read_text())
    backend.process.send_signal(kind)
    assert backend.process.wait(LONG) == 0
    assert not backend.run_file.exists() and not shared.exists()


@posix
def test_sigterm_during_a_job(start, connect):
    backend = start(kinds=True)
    job = connect().submit("steps", name="long", seconds=60.0)
    assert eventually(lambda: job.status().state == "running")
    backend.process.terminate()
    assert backend.process.wait(LONG) == 0
    assert not backend.run_file.exists()
    with pytest.raises(BackendError, match="ended while it was working"):
        job.wait(LONG)


@posix
def test_outlives_its_terminal(start):
    backend = start()
    backend.process.stdout.close()
    backend.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert backend.process.poll() is None


def stop_command(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backend", "stop"], cwd=ROOT, capture_output=True, text=True,
        timeout=LONG, env={**os.environ, "CLEANPLATE_HOME": str(home)},
    )  # fmt: skip


def test_stop(start, home):
    backend = start()
    done = stop_command(home)
    assert (done.returncode, done.stdout.strip()) == (0, "backend: stopped")
    assert backend.process.wait(LONG) == 0
    assert not backend.run_file.exists()
    done = stop_command(home)
    assert (done.returncode, done.stdout.strip()) == (0, "backend: not running")


@posix
def test_stop_ends_a_backend_that_does_not_answer(start, home):
    """A damaged run file: the connection fails, the process id still counts."""
    backend = start()
    run = backend.run()
    run["token"] = "0" * 64
    backend.run_file.write_text(json.dumps(run))
    assert stop_command(home).returncode == 0
    assert backend.process.wait(LONG) == 0


@posix
def test_stop_ends_a_backend_that_hangs_and_cleans_up(start, home):
    """Stopped by the system: it answers neither its socket nor SIGTERM."""
    backend = start()
    shared = Path((home / "run" / "pixels.txt").read_text())
    backend.process.send_signal(signal.SIGSTOP)
    done = stop_command(home)
    assert (done.returncode, done.stdout.strip()) == (0, "backend: stopped")
    assert backend.process.wait(LONG) == -signal.SIGKILL
    assert not backend.run_file.exists() and not shared.exists()


@posix
def test_stop_ends_one_that_waits_for_the_others_place(start, home):
    """It gets its place in the very moment in which the other ends."""
    backend = start()
    waiting = []
    for token in ("0" * 64, "1" * 64):
        run = backend.run()
        backend.run_file.write_text(json.dumps({**run, "token": token}))
        waiting.append(BackendProcess(home, serve_command()))
    try:
        time.sleep(1.5)  # until they ask for the lock again and again
        assert [one.process.poll() for one in waiting] == [None, None]
        done = stop_command(home)
        assert (done.returncode, done.stdout.strip()) == (0, "backend: stopped"), done.stderr
        assert backend.process.wait(LONG) == 0
        # Whether one got its place before `stop` saw it free is chance: a second one ends all.
        eventually(lambda: stop_command(home).stdout.strip() == "backend: not running", 40)
    finally:
        for one in waiting:
            one.end()


def test_ends_when_idle_but_not_while_working(start, connect):
    backend = start("--idle", "4", kinds=True)  # long enough to come to the job
    client = connect()
    job = client.submit("steps", name="long", seconds=9.0)
    time.sleep(7.0)  # no call at all meanwhile
    assert backend.process.poll() is None, "it ended under a running job"
    assert job.wait(LONG).state == "done"
    assert backend.process.wait(LONG) == 0
    assert not backend.run_file.exists()


def test_the_client_starts_it_and_two_clients_share_it(home):
    install_launcher(home)
    said = []
    with Client.connect(home=str(home), on_progress=lambda *told: said.append(told)) as first:
        with Client.connect(home=str(home)) as second:
            assert first._connected()[0].hello == second._connected()[0].hello
        assert said and said[0][0] == "start"
        first.stop_backend()


@posix
def test_it_outlives_the_editor_that_started_it(home):
    """The editor crashes, with its whole process group, as when its terminal is closed."""
    install_launcher(home)
    code = (
        "import os, signal, sys; from plugin.client import Client;"
        "client = Client.connect(home=sys.argv[1]);"
        "print(client._connected()[0].hello[2], flush=True);"
        "os.killpg(0, signal.SIGKILL)"
    )
    editor = subprocess.run(
        [sys.executable, "-c", code, str(home)], cwd=ROOT, capture_output=True, text=True,
        timeout=LONG, start_new_session=True,
    )  # fmt: skip
    assert editor.returncode == -signal.SIGKILL, editor.stderr
    with Client.connect(home=str(home), start=False) as client:
        assert client._connected()[0].hello[2] == int(editor.stdout)
        client.stop_backend()


def test_the_answer_to_stop_is_written_before_the_backend_is_gone(tmp_path, monkeypatch):
    """However late its thread comes to it: the backend once ended first, on a busy machine."""
    ends = PlateService.stop

    @functools.wraps(ends)
    def late(service: PlateService) -> bool:
        answer = ends(service)
        time.sleep(0.7)
        return answer

    monkeypatch.setattr(PlateService, "stop", late)
    server = Server(tmp_path)
    ending = threading.Thread(target=lambda: (server.run(), server.close()))
    ending.start()
    link = Link({"host": server.host, "port": server.port, "token": server.token})
    try:
        assert link.call("stop") is True
    finally:
        link.close()
        server.stop()
        ending.join(LONG)
    assert not ending.is_alive()


def test_clients_that_start_it_at_the_same_instant(home):
    install_launcher(home)
    pids: list[int] = []

    def one() -> None:
        with Client.connect(home=str(home), timeout=LONG) as client:
            pids.append(client._connected()[0].hello[2])

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(pids) == 3 and len(set(pids)) == 1
    with Client.connect(home=str(home), start=False) as client:
        client.stop_backend()


def test_the_client_explains_a_backend_that_cannot_start(home):
    install_launcher(home, "echo 'no such library: libfoo' >&2; exit 7")
    with pytest.raises(BackendError, match="exit code 7") as raised:
        Client.connect(home=str(home))
    assert "no such library: libfoo" in raised.value.details


def test_the_client_explains_a_missing_installation(tmp_path):
    with pytest.raises(BackendError, match=r"install\.py"):
        Client.connect(home=str(tmp_path / "nowhere"))
    with pytest.raises(BackendError, match="not running"):
        Client.connect(home=str(tmp_path / "nowhere"), start=False)


def test_a_killed_backend_is_started_again_by_the_next_call(home):
    install_launcher(home)
    with Client.connect(home=str(home)) as client:
        handle = client.put_image(small_image())
        first = client._connected()[0].hello[2]
        os.kill(first, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        assert client.info()["pid"] != first
        # A picture that lay in the old one is sent again by itself.
        job = client.submit_clean(handle, {"text": False, "people": False}, mask=bytes(16 * 8))
        assert job.result().plate == handle.image.data
        client.stop_backend()


def install_launcher(home: Path, body: str = "") -> None:
    """What the installer writes to HOME/bin."""
    # A `serve` that was started late may outlast the test's `stop`; it must not stay for long.
    serve = " ".join([*serve_command("--idle", "60")])
    program = home / "bin" / "cleanplate"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\n{body or f"cd {ROOT} && exec {serve}"}\n')
    program.chmod(0o755)


def small_image():
    from plugin.client import Image

    return Image(16, 8, 4, "u8", "BGRA", bytes(range(256)) * 2)


def test_backend_process_helper_reports_failures(home):
    """The helper of these tests must not take a dead backend for a ready one."""
    broken = BackendProcess(home, [sys.executable, "-c", "raise SystemExit('broken')"])
    with pytest.raises(AssertionError, match="broken"):
        broken.wait_ready()
    broken.end()
