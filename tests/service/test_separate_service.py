"""Separate and cut out through the real process, with the real models, on real pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from service_support import LONG, BackendProcess, serve_command

from plugin.client import BackendError, Client, Image, JobCancelled, SeparateReply

ROOT = Path(__file__).resolve().parents[2]
CPU = {"device": "cpu"}
TOPS = {"u8": 255, "u16": 65535, "f16": 1, "f32": 1}
TYPES = {"u8": np.uint8, "u16": np.uint16, "f16": np.float16, "f32": np.float32}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    home = tmp_path_factory.mktemp("separate") / "home"
    process = BackendProcess(home, serve_command())
    process.wait_ready()
    with Client.connect(home=str(home), start=False) as connected:
        yield connected
    process.end()


def advert(path: Path, words: str, at: tuple[float, float], size: int = 34) -> np.ndarray:
    """A real picture, 480 px wide, with words across it: H×W×3 uint8. `at`: shares of its sides."""
    picture = Picture.open(path).convert("RGB")
    picture = picture.resize((480, round(480 * picture.height / picture.width)))
    draw = ImageDraw.Draw(picture)
    place = (round(at[0] * picture.width), round(at[1] * picture.height))
    draw.text(place, words, font=ImageFont.load_default(size), fill="white", anchor="mm",
              stroke_width=2, stroke_fill=(20, 30, 60))
    return np.asarray(picture)


def image_of(rgb: np.ndarray, depth: str, order: str = "BGRA", linear: bool = False,
             see_through: bool = False) -> Image:
    height, width = rgb.shape[:2]
    alpha = np.full((height, width, 1), 1.0)
    if see_through:
        alpha[:, :, 0] = np.clip(np.linspace(-0.2, 2.5, width), 0, 1)
        alpha[: height // 8] = 0
    values = np.concatenate([rgb / 255.0, alpha], 2)
    if depth.startswith("f"):
        values[: height // 4, :, :3] *= 3.0  # brighter than white
    if order.startswith("GRAY"):
        values = np.concatenate([values[..., :3].mean(2, keepdims=True), alpha], 2)
        values = values[..., : len(order) - 3]
    elif order == "BGRA":
        values = values[..., [2, 1, 0, 3]]
    values = values * TOPS[depth]
    if not depth.startswith("f"):
        values = np.rint(values)
    data = np.ascontiguousarray(values.astype(TYPES[depth]))
    return Image(width, height, data.shape[2], depth, order, data.tobytes(), linear)


def array(image: Image, data: bytes, channels: int = 0) -> np.ndarray:
    return np.frombuffer(data, TYPES[image.depth]).reshape(
        image.height, image.width, channels or image.channels
    )


def unit(image: Image, pixels: np.ndarray) -> np.ndarray:
    """float64, white = 1, with an opaque alpha where the order has none."""
    values = pixels.astype(np.float64) / TOPS[image.depth]
    if image.channels in (1, 3) and values.shape[2] == image.channels:
        values = np.concatenate([values, np.ones_like(values[..., :1])], axis=2)
    return values


def stacked(image: Image, reply: SeparateReply, without: str = "") -> np.ndarray:
    """The visible picture by Porter and Duff's “over”, in double precision."""
    shown = unit(image, array(image, reply.background))
    for layer in reply.layers:
        if layer.kind == without:
            continue
        x0, y0, x1, y1 = layer.box
        count = {"GRAYA": 2}.get(layer.order, 4)
        top = np.frombuffer(layer.pixels, TYPES[image.depth]).reshape(y1 - y0, x1 - x0, count)
        upper = top.astype(np.float64) / TOPS[image.depth]
        lower = shown[y0:y1, x0:x1]
        alpha = upper[..., -1:] + lower[..., -1:] * (1 - upper[..., -1:])
        mixed = upper[..., :-1] * upper[..., -1:]
        mixed += lower[..., :-1] * lower[..., -1:] * (1 - upper[..., -1:])
        lower[..., :-1] = np.where(alpha > 0, mixed / np.where(alpha > 0, alpha, 1), 0)
        lower[..., -1:] = alpha
    return shown


def largest_error(image: Image, reply: SeparateReply) -> float:
    """In levels of 255, anywhere, in any channel."""
    source, shown = unit(image, array(image, image.data)), stacked(image, reply)
    seen = source[..., -1:] > 0
    colours = np.abs(np.where(seen, shown[..., :-1] - source[..., :-1], 0)) * source[..., -1:]
    worst = max(colours.max(), np.abs(shown[..., -1] - source[..., -1]).max())
    return round(255 * worst, 9)  # one level is one level, whatever 254 / 255 is in binary


SAMPLE = (ROOT / "plugin/demo/sample.png", "SUMMER SALE", (0.42, 0.42))
RAFT = (ROOT / "tests/data/raft.png", "RAFTING", (0.5, 0.5))
FORMS = [
    ("u8", "BGRA", False, False), ("u8", "BGRA", False, True), ("u16", "BGRA", False, False),
    ("u16", "BGRA", False, True), ("f16", "RGBA", True, False), ("f32", "RGBA", True, False),
    ("u8", "GRAYA", False, True), ("u16", "GRAY", False, False),
]  # fmt: skip


@pytest.mark.parametrize(("depth", "order", "linear", "see_through"), FORMS)
def test_the_layers_give_the_picture_again_in_every_form(client, depth, order, linear, see_through):
    image = image_of(advert(*SAMPLE), depth, order, linear, see_through)
    reply = client.submit_separate(image, options={**CPU, "fill_model": "fill-telea"}).result()
    kinds = [layer.kind for layer in reply.layers]
    assert "person" in kinds and "text" in kinds
    assert kinds == sorted(kinds, key=["person", "object", "text"].index), "text lies on top"
    worst = largest_error(image, reply)
    print(f"{depth} {order}: {worst:.3f} of 255, {kinds}")
    assert worst <= 1.0
    assert reply.report["rebuild_error"] <= 1.0
    assert all(layer.order == (order if order != "GRAY" else "GRAYA") for layer in reply.layers)
    source, background = array(image, image.data), array(image, reply.background)
    changed = (source != background).any(axis=2)
    covered = np.zeros_like(changed)
    for layer in reply.layers:
        x0, y0, x1, y1 = layer.box
        covered[y0:y1, x0:x1] = True
    assert changed.any() and not (changed & ~covered).any(), "the background changed elsewhere"


@pytest.mark.parametrize(
    ("name", "words", "at"),
    [("kodak_04", "PORTRAIT", (0.5, 0.7)), ("kodak_09", "REGATTA", (0.4, 0.55)),
     ("kodak_15", "COLOURS", (0.5, 0.5)), ("kodak_18", "TRAVEL NOW", (0.5, 0.4))],
)  # fmt: skip
def test_the_layers_give_the_picture_again_in_other_pictures(client, shared_data, name, words, at):
    path = shared_data / "free" / f"{name}.png"
    if not path.is_file():
        pytest.skip(f"the picture is not here: {path.name}")
    image = image_of(advert(path, words, at), "u8")
    reply = client.submit_separate(image, options=CPU).result()
    worst = largest_error(image, reply)
    print(f"{name}: {worst:.3f} of 255, {[layer.name for layer in reply.layers]}")
    assert worst <= 1.0 and reply.layers


def test_text_on_a_person(client):
    """Hidden text leaves no hole in the person; hidden people and text leave the background."""
    plain, image = advert(*SAMPLE[:1], "", (0.5, 0.5)), image_of(advert(*SAMPLE), "u8")
    reply = client.submit_separate(image, options=CPU).result()
    names = [layer.name for layer in reply.layers]
    assert "Person 1" in names
    assert any(name.replace(" ", "").upper() == "TEXT:SUMMERSALE" for name in names), names
    source = unit(image, array(image, image.data))
    letters = np.abs(source[..., [2, 1, 0]] - plain / 255.0).max(2) > 0.3
    person = next(layer for layer in reply.layers if layer.name == "Person 1")
    x0, y0, x1, y1 = person.box
    cut = np.frombuffer(person.pixels, np.uint8).reshape(y1 - y0, x1 - x0, 4)
    inside = letters[y0:y1, x0:x1]
    alpha = cut[..., 3]
    # In the body, where letters lie with person on both sides of them.
    body = np.zeros_like(inside)
    for row in range(inside.shape[0]):
        solid = np.flatnonzero((alpha[row] == 255) & ~inside[row])
        if solid.size:
            body[row, solid[0] : solid[-1]] = inside[row, solid[0] : solid[-1]]
    assert body.sum() > 100, "no text on the person: the test shows nothing"
    assert (alpha[body] == 255).mean() > 0.9, "holes where letters were"
    hidden = stacked(image, reply, without="text")
    assert (hidden[..., -1] == 1).all()
    white = (hidden[..., :3].min(2) > 0.9) & letters
    assert white.sum() < 0.1 * (letters & (source[..., :3].min(2) > 0.9)).sum(), "letters stayed"


def test_the_users_masks_are_taken_apart(client):
    image = image_of(advert(*RAFT), "u8")
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[100:140, 60:110] = 255
    nothing = bytes(mask.size)
    reply = client.submit_separate(image, mask.tobytes(), nothing, CPU).result()
    assert [layer.kind for layer in reply.layers] in (["person"], ["object"])
    x0, y0, x1, y1 = reply.layers[0].box
    assert x0 < 90 < x1 and y0 < 120 < y1 and (x1 - x0) < 140
    assert largest_error(image, reply) <= 1.0
    empty = client.submit_separate(image, nothing, nothing, CPU).result()
    assert empty.layers == () and empty.background == image.data
    assert not empty.report["found"]


@pytest.mark.parametrize(("depth", "order"), [("u8", "BGRA"), ("u16", "GRAY"), ("f32", "RGBA")])
def test_cut_out(client, depth, order):
    image = image_of(advert(*SAMPLE[:1], "", (0.5, 0.5)), depth, order)
    reply = client.submit_cut_out(image, CPU).result()
    assert reply.found and reply.order == ("GRAYA" if order == "GRAY" else order)
    source = unit(image, array(image, image.data))
    kept = array(image, reply.pixels, 2 if order == "GRAY" else 4)
    alpha = kept[..., -1] / TOPS[image.depth]
    assert 0.02 < (alpha > 0.5).mean() < 0.3
    assert ((alpha > 0.05) & (alpha < 0.95)).any(), "no soft edge"
    whole = alpha == 1
    original = (source * TOPS[image.depth]).astype(kept.dtype)
    assert kept[whole].tobytes() == original[whole].tobytes(), "kept pixels changed"
    assert alpha[0, 0] == 0


def test_cut_out_of_a_mask_and_of_nothing(client):
    image = image_of(advert(*RAFT), "u8")
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[100:200, 150:300] = 255
    reply = client.submit_cut_out(image, CPU, mask.tobytes()).result()
    alpha = array(image, reply.pixels)[..., 3]
    assert reply.found and (alpha[140:160, 200:250] == 255).all() and not alpha[:40].any()
    none = client.submit_cut_out(image, CPU, bytes(mask.size)).result()
    assert not none.found and not any(none.pixels[3::4]) and none.report["notes"]


def test_wrong_arguments_are_refused_at_once(client):
    image = image_of(advert(*RAFT), "u8")
    for kind, arguments, message in (
        ("separate", {"image": image, "object_mask": b"xx"}, "object mask has 2 bytes"),
        ("separate", {"image": image, "text_mask": b"xx"}, "text mask has 2 bytes"),
        ("separate", {"image": image, "object_mask": 4}, "must be bytes"),
        ("separate", {"image": image, "changed": b"xx"}, "unknown here"),
        ("separate", {"image": image, "options": {"clicks": 3}}, "clicks"),
        ("separate", {}, "picture is missing"),
        ("cut_out", {"image": image, "mask": b"x"}, "mask has 1 bytes"),
        ("cut_out", {"image": image, "mask": True}, "must be bytes"),
        ("cut_out", {"image": image, "object_mask": b"xx"}, "unknown here"),
        ("cut_out", {"image": image, "options": {"device": "toaster"}}, "toaster"),
    ):
        with pytest.raises(BackendError, match=message):
            client.submit(kind, **arguments)


def test_cancelling_a_separation(client):
    image = image_of(np.tile(advert(*SAMPLE), (2, 2, 1)), "u8")
    job = client.submit_separate(image, options=CPU)
    stages = set()
    while not stages & {"fill", "matte"} and not job.wait(
        0.01, lambda status: stages.add(status.stage)
    ).ended:
        continue
    assert 0.0 <= job.status().fraction <= 1.0
    job.cancel()
    with pytest.raises(JobCancelled):
        job.result()
    small = image_of(advert(*RAFT), "u8")
    nothing = bytes(small.width * small.height)
    assert client.submit_separate(small, nothing, nothing, CPU).wait(LONG).state == "done"


def test_a_separation_ends_with_its_connection(client, tmp_path):
    """The editor closed: the backend is free for the next job."""
    image = image_of(np.tile(advert(*SAMPLE), (2, 2, 1)), "u8")
    with Client.connect(home=client.home, start=False) as other:
        other.submit_separate(image, options=CPU).wait(0.5)
    small = image_of(advert(*RAFT), "u8")
    nothing = bytes(small.width * small.height)
    assert client.submit_separate(small, nothing, nothing, CPU).wait(LONG).state == "done"
