"""The editor never waits: the longest time that Krita's event loop stood still in a run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import pytest
from conftest import RAFT, Editor

LIMIT = 0.100  # seconds beyond Krita's own calls

# Times Krita's own calls, so that the rest of a stall is ours.
TIMED = """
import time
from krita import Document as KD, Node as KN
own_calls = []
def timed(kind, name):
    real = getattr(kind, name)
    kept = kind.__dict__[name]
    def call(self, *arguments):
        begin = time.perf_counter()
        try:
            return real(self, *arguments)
        finally:
            own_calls.append((name, begin, time.perf_counter()))
    setattr(kind, name, call)
    return lambda: setattr(kind, name, kept)
restore = [timed(KN, n) for n in ("pixelData", "projectionPixelData", "setPixelData",
                                  "setColorSpace", "addChildNode", "duplicate")]
restore += [timed(KD, n) for n in ("pixelData", "waitForDone", "refreshProjection",
                                   "createNode", "createGroupLayer")]
stalls.start()
"""

# The same insertion without the plugin: what Krita itself needs to show such a group.
PEER = """
stalls.start()
group = next(n for n in doc().rootNode().childNodes() if n.name().startswith("Clean Plate"))
copy = group.duplicate()
doc().rootNode().addChildNode(copy, group)
doc().refreshProjection()
"""


def beyond(stalls: list[list[float]], calls: list[list[float]]) -> list[float]:
    """For each stall, the seconds that no call into Krita accounts for."""
    rest = []
    for begin, end in stalls:
        krita = sum(max(0.0, min(end, b) - max(begin, a)) for _, a, b in calls)
        rest.append(end - begin - krita)
    return rest


def test_event_loop_on_a_large_layer(krita: Editor, tmp_path: Path, capsys: object) -> None:
    picture = cv2.imread(str(RAFT))
    assert picture is not None
    large = tmp_path / "large.png"
    cv2.imwrite(str(large), cv2.resize(picture, (3840, 2160), interpolation=cv2.INTER_CUBIC),
                [cv2.IMWRITE_PNG_COMPRESSION, 1])
    krita.open(large)
    krita.ask("doc().waitForDone()")
    # No selection: without a GPU the marching ants alone keep the event loop busy.
    time.sleep(3)
    krita.ask("stalls.start()")
    time.sleep(4)
    idle = max([end - begin for begin, end in krita.eval("stalls.stop()")], default=0.0)

    krita.ask(TIMED)
    krita.trigger("cleanplate_remove_text")
    # Asking takes the event loop's time, too: sleep, and ask now and then.
    krita.wait(lambda: (time.sleep(2), krita.eval("idle()"))[1], "the run ends", 400)
    stalls = krita.eval("stalls.stop()")
    peer_stalls = []
    for _ in range(3):
        krita.ask(PEER)
        time.sleep(5)
        peer_stalls += krita.eval("stalls.stop()")
    calls = krita.eval("own_calls")
    krita.ask("for back in restore: back()")

    ours = max(beyond(stalls, calls), default=0.0)
    peer = max(beyond(peer_stalls, calls), default=0.0)
    longest = {}
    for name, begin, end in calls:
        longest[name] = max(longest.get(name, 0.0), end - begin)
    with capsys.disabled():  # type: ignore[attr-defined]
        print(f"\n3840×2160: longest stall {max((b - a for a, b in stalls), default=0):.3f} s, "
              f"beyond Krita's own calls {ours:.3f} s; the same group shown by Krita alone: "
              f"{peer:.3f} s beyond its calls; idle Krita {idle:.3f} s; longest calls: "
              + ", ".join(f"{n} {s:.3f} s" for n, s in sorted(longest.items())))
    assert any(name == "setPixelData" for name, _, _ in calls)
    # Painting the new projection is Krita's work, too, but no call that could be timed here: a
    # copy of the group, shown without the plugin, tells how long it takes on this machine.
    allowed = LIMIT + idle + peer
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if ours > allowed and load > 2 * cores:
        pytest.skip(f"the machine is busy (load {load:.0f} on {cores} cores), so that a stall of "
                    f"{ours:.2f} s says nothing about the plugin")
    assert ours <= allowed
