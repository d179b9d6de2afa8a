"""What a client may ask for, and what it may hear of errors."""

from __future__ import annotations

import pytest

from backend.service import checks
from backend.service.errors import INTERNAL, Refused, message_for, without_paths
from backend.values import BadInput, Box, CleanOptions, Point


def test_all_options_by_their_types():
    pairs = (
        ("text", False),
        ("grow", 7),
        ("feather", 3),
        ("clicks", ((1.5, 2.0), (3, 4))),
        ("only_text_in", (1, 2, 30, 40)),
        ("fill_model", "big_lama"),
        ("keep_text_below", 12),
        ("device", "cuda:1"),
        ("seed", 9),
    )
    assert checks.clean_options(pairs) == CleanOptions(
        text=False,
        grow=7,
        feather=3,
        clicks=(Point(1.5, 2.0), Point(3.0, 4.0)),
        only_text_in=Box(1, 2, 30, 40),
        fill_model="big_lama",
        keep_text_below=12.0,
        device="cuda:1",
        seed=9,
    )
    assert checks.clean_options(()) == CleanOptions()


@pytest.mark.parametrize(
    "pairs",
    [
        (("text", 1),),
        (("text", "true"),),
        (("grow", True),),
        (("feather", -1),),
        (("grow", 1.0),),
        (("grow", 10**6),),
        (("seed", -1),),
        (("seed", 2**32),),
        (("keep_text_below", float("inf")),),
        (("clicks", (1.0, 2.0)),),
        (("clicks", ((1.0, 2.0, 3.0),)),),
        (("clicks", ((1.0, "2"),)),),
        (("clicks", tuple((0.0, 0.0) for _ in range(5000))),),
        (("only_text_in", (1, 2, 3)),),
        (("only_text_in", (1, 2, 1, 9)),),
        (("fill_model", ""),),
        (("fill_model", "a/b"),),
        (("fill_model", ".."),),
        (("fill_model", "x" * 65),),
        (("device", "cuda:x"),),
        (("unknown_option", 1),),
        (("text", True), ("text", False)),
        (("text",),),
        ("text",),
        [("text", True)],
        5,
    ],
)
def test_wrong_options(pairs):
    with pytest.raises(BadInput):
        checks.clean_options(pairs)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("/home/ann/pictures/sea.png is broken.", "sea.png is broken."),
        ("Cannot read “/home/ann/sea.png”.", "Cannot read “sea.png”."),
        (r"Cannot read C:\Users\ann\sea.png now", "Cannot read sea.png now"),
        ("See https://example.org/a/b for it.", "See https://example.org/a/b for it."),
        ("Use 1/2 or and/or a ratio of 3/4.", "Use 1/2 or and/or a ratio of 3/4."),
        ("--device cuda:0", "--device cuda:0"),
        ("Run `python3 install.py`.", "Run `python3 install.py`."),
    ],
)
def test_paths_are_cut_from_messages(told, shown):
    assert without_paths(told) == shown


def test_only_our_own_messages_are_told():
    assert message_for(BadInput("The mask is empty.")) == "The mask is empty."
    assert message_for(Refused("No.")) == "No."
    for error in (ValueError("/etc/x"), OSError(2, "no", "/etc/x"), SystemExit(1), KeyError("k")):
        assert message_for(error) == INTERNAL
    assert "memory" in message_for(MemoryError())
