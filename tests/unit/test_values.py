"""Control: nested stages add up, cancel is heard, notes are kept once. Home: where it is."""

from __future__ import annotations

import sys

import pytest

from backend import home
from backend.values import Box, Cancelled, Control


def test_nested_stages_add_up_to_the_whole(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("backend.values.time.perf_counter", lambda: now[0])
    control = Control()

    def work(seconds):
        now[0] += seconds

    with control.stage("people"):
        work(0.05)
        with control.stage("load"):
            work(0.1)
            with control.stage("download"):
                work(0.04)
    with control.stage("people"):
        work(0.06)
    assert sum(control.seconds.values()) == pytest.approx(now[0] - 100.0)
    assert control.seconds["people"] == pytest.approx(0.11)
    assert sum(control.seconds.values()) - control.seconds["people"] == pytest.approx(0.14)


def test_progress_names_its_stage_and_stays_in_range():
    seen = []
    control = Control(on_progress=lambda *what: seen.append(what))
    with control.stage("fill", "begin"):
        control.progress(1.7, "over")
    assert seen == [("fill", 0.0, "begin"), ("fill", 1.0, "over")]


def test_cancel_raises_at_the_next_check():
    flag = []
    control = Control(cancelled=lambda: bool(flag))
    control.check()
    flag.append(1)
    with pytest.raises(Cancelled):
        control.progress(0.5)


def test_notes_are_kept_once():
    control = Control()
    control.note("on the CPU")
    control.note("on the CPU")
    assert control.notes == ["on the CPU"]


def test_box_indexes_rows_then_columns():
    box = Box(2, 5, 7, 6)
    assert (box.width, box.height) == (5, 1)
    assert box.slices == (slice(5, 6), slice(2, 7))


def test_home_is_the_variable_or_the_platforms_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CLEANPLATE_HOME", str(tmp_path / "mine"))
    assert home.home() == tmp_path / "mine"
    monkeypatch.delenv("CLEANPLATE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    if sys.platform != "darwin":
        assert home.home() == tmp_path / "cleanplate"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX modes")
def test_private_dir_is_private(tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir(mode=0o755)
    assert home.private_dir(loose).stat().st_mode & 0o777 == 0o700
