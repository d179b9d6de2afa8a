"""The life of a job: queue, progress, cancel, result, priority, loss."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from service_support import LONG, eventually

from plugin.client import BackendError, ConnectionLost, JobCancelled


def test_progress_and_result(backend, connect):
    job = connect().submit("steps", name="one", seconds=2.0)
    seen = []
    status = job.wait(LONG, seen.append)
    assert status.state == "done" and status.fraction == 1.0
    assert {"fill"} <= {s.stage for s in seen}
    fractions = [s.fraction for s in seen if s.state == "running" and s.stage]
    assert fractions == sorted(fractions) and len(set(fractions)) > 2
    assert any("Working on one" in s.text for s in seen)
    assert job.result().values == {"order": ["begin one", "end one"]}
    assert job.result().values["order"], "a result can be fetched twice"
    job.release()
    job.release()


def test_wait_gives_up_in_time(backend, connect):
    job = connect().submit("steps", name="long", seconds=120.0)
    began = time.monotonic()
    assert not job.wait(0.3).ended
    assert 0.25 < time.monotonic() - began < 60.0
    job.cancel()


def test_cancel_frees_editor_and_device(backend, connect):
    """The editor at once, the compute thread within half a second: the next job runs."""
    client = connect()
    job = client.submit("steps", name="long", seconds=60.0)
    assert eventually(lambda: job.status().state == "running")
    began = time.monotonic()
    job.cancel()
    assert job.status().state == "cancelled"
    editor = time.monotonic() - began
    after = client.submit("steps", name="after")
    assert after.wait(LONG).state == "done"
    device = time.monotonic() - began
    print(f"cancel: editor free after {editor * 1000:.0f} ms, device after {device * 1000:.0f} ms")
    assert device < 30.0, "it waited for the cancelled job's end"
    with pytest.raises(JobCancelled):
        job.result()
    assert "end long" not in after.result().values["order"]


def test_cancel_before_it_starts(backend, connect):
    client = connect()
    first = client.submit("steps", name="first", seconds=60.0)
    waiting = client.submit("steps", name="waiting")
    waiting.cancel()
    last = client.submit("steps", name="last")
    first.cancel()
    assert last.wait(LONG).state == "done"
    assert "begin waiting" not in last.result().values["order"]


def test_release_cancels(backend, connect):
    client = connect()
    job = client.submit("steps", name="long", seconds=60.0)
    assert eventually(lambda: job.status().state == "running")
    job.release()
    assert client.submit("steps", name="after").wait(LONG).state == "done"
    with pytest.raises(BackendError, match="no such job"):
        client.control_call(client._connected()[0], "status", job.number)


def test_status_while_pixels_are_moving(backend, connect):
    """The control connection: another thread holds the main one."""
    client = connect()
    job = client.submit("steps", name="long", seconds=30.0)
    link, _ = client._connected()
    with link.lock:
        asked: list[str] = []
        thread = threading.Thread(target=lambda: asked.append(job.status().state))
        thread.start()
        thread.join(LONG)
        assert asked and asked[0] in ("queued", "running")
    job.cancel()


def test_clicks_go_before_long_jobs_that_wait(backend, connect):
    client = connect()
    # One step: no progress is reported before its end, and there is time to submit the others.
    running = client.submit("steps", name="running", seconds=4.0, step=4.0)
    assert eventually(lambda: running.status().state == "running")
    long = client.submit("steps", name="long", seconds=0.1)
    click = client.submit("quick", name="click")
    order = long.result().values["order"]
    assert click.wait(LONG).state == "done"
    assert order.index("begin click") < order.index("begin long")


def test_clicks_are_done_inside_a_running_job(backend, connect):
    client = connect()
    long = client.submit("steps", name="long", seconds=8.0)
    assert eventually(lambda: long.status().state == "running")
    began = time.monotonic()
    clicks = [client.submit("quick", name=f"click{i}") for i in range(3)]
    order = clicks[-1].result().values["order"]
    print(f"three clicks during a long job: {time.monotonic() - began:.3f} s")
    assert "end click2" in order and "end long" not in order
    assert long.wait(LONG).state == "done"


def test_a_failing_click_does_not_hurt_the_job_around_it(backend, connect):
    client = connect()
    long = client.submit("steps", name="long", seconds=5.0)
    assert eventually(lambda: long.status().state == "running")
    click = client.submit("quick", name="click", seconds=60.0)
    assert eventually(lambda: click.status().state == "running")
    click.cancel()
    assert long.wait(LONG).state == "done"


def test_a_job_ends_with_its_connection(backend, connect):
    leaving, staying = connect(), connect()
    lost = leaving.submit("steps", name="lost", seconds=60.0)
    assert eventually(lambda: lost.status().state == "running")
    queued = leaving.submit("steps", name="queued")
    leaving.close()
    order = staying.submit("steps", name="mine").result().values["order"]
    assert "end lost" not in order and "begin queued" not in order
    with pytest.raises(BackendError, match="no such job"):
        staying._connected()[0].call("status", queued.number)


def test_a_killed_client_takes_its_jobs_along(backend, connect):
    """No goodbye: the socket just breaks, as when an editor crashes."""
    leaving, staying = connect(), connect()
    lost = leaving.submit("steps", name="lost", seconds=60.0)
    assert eventually(lambda: lost.status().state == "running")
    leaving._connected()[0]._connection._channel.stream.sock.close()
    assert staying.submit("steps", name="mine").wait(LONG).state == "done"


def test_a_backend_killed_in_mid_job(backend, connect):
    client = connect()
    job = client.submit("steps", name="long", seconds=60.0)
    assert eventually(lambda: job.status().state == "running")
    os.kill(backend.ready["pid"], signal.SIGKILL)
    with pytest.raises(ConnectionLost, match="ended while it was working") as raised:
        job.wait(LONG)
    assert "ready: pid" in raised.value.details, "no log lines for the report"
    job.release()
    job.cancel()


def test_a_control_connection_that_breaks_is_replaced(backend, connect):
    client = connect()
    job = client.submit("steps", name="long", seconds=4.0)
    assert job.status().state in ("queued", "running")
    client._control._connection._channel.stream.sock.close()
    assert job.wait(LONG).state == "done"


def test_several_editors_at_once(backend, connect):
    """Each gets its own answer, and all jobs run one after the other."""
    answers: dict[int, list[str]] = {}

    def edit(number: int) -> None:
        client = connect()
        for turn in range(5):
            job = client.submit("steps", name=f"{number}.{turn}", seconds=0.02)
            answers[number] = job.result().values["order"]
            job.release()

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    longest = max(answers.values(), key=len)
    assert len(answers) == 6 and len(longest) == 60
    for begin, end in zip(longest[::2], longest[1::2], strict=True):
        assert begin.replace("begin", "end") == end, "two jobs ran at the same time"


def test_one_client_used_by_several_threads(backend, connect):
    client = connect()
    done: list[str] = []

    def work(number: int) -> None:
        for _ in range(5):
            job = client.submit("quick", name=str(number))
            done.append(job.wait(LONG).state)
            job.release()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert done == ["done"] * 30


def test_too_many_jobs_are_refused(backend, connect):
    client = connect()
    jobs = [client.submit("steps", name="x", seconds=60.0) for _ in range(32)]
    with pytest.raises(BackendError, match="Too many jobs"):
        client.submit("steps", name="x")
    for job in jobs:
        job.release()
    assert client.submit("steps", name="after").wait(LONG).state == "done"


def test_foreign_job_numbers(backend, connect):
    client = connect()
    link, _ = client._connected()
    for name in ("status", "cancel", "result"):
        with pytest.raises(BackendError, match="no such job"):
            link.call(name, "0" * 16)
    assert link.call("release", "0" * 16) is True


def test_results_of_unfinished_and_failed_jobs(backend, connect):
    client = connect()
    link, _ = client._connected()
    job = client.submit("steps", name="long", seconds=60.0)
    with pytest.raises(BackendError, match="no result"):
        link.call("result", job.number)
    job.cancel()
    failed = client.submit("fail", how="told")
    with pytest.raises(BackendError, match=r"picture\.png is not a picture") as raised:
        failed.result()
    assert raised.value.details
