"""The real pipeline through the real process: pixels of every depth, a mask of the user."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from service_support import LONG

from plugin.client import BackendError, Image, JobCancelled
from plugin.client.protocol import PROTOCOL

# Telea needs no model file and a fraction of a second.
QUICK = {"text": False, "people": False, "grow": 0, "fill_model": "fill-telea", "device": "cpu"}
DEPTHS = {
    "u8": (np.uint8, 255),
    "u16": (np.uint16, 65535),
    "f16": (np.float16, 1.0),
    "f32": (np.float32, 1.0),
}


def landscape(width: int = 96, height: int = 72) -> np.ndarray:
    """H×W×4 float64 in [0, 1]: soft gradients with some noise, opaque."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(3).random((height, width, 3)) * 0.1
    colour = np.stack([x / width, y / height, (x + y) / (width + height)], -1) * 0.8 + noise
    return np.dstack([colour, np.ones((height, width))])


def image_of(pixels: np.ndarray, depth: str, order: str, bright: float = 1.0) -> Image:
    dtype, white = DEPTHS[depth]
    channels = {"RGBA": [0, 1, 2, 3], "BGRA": [2, 1, 0, 3], "GRAYA": [0, 3], "GRAY": [0]}[order]
    values = pixels[..., channels] * white
    if bright != 1.0:
        values[: len(values) // 4] *= bright
    array = (values if white == 1.0 else np.rint(values)).astype(dtype)
    height, width = array.shape[:2]
    return Image(width, height, len(channels), depth, order, array.tobytes())


def array_of(image: Image, data: bytes) -> np.ndarray:
    array = np.frombuffer(data, DEPTHS[image.depth][0])
    return array.reshape(image.height, image.width, image.channels)


@pytest.fixture(scope="module")
def backend_home(tmp_path_factory):
    return tmp_path_factory.mktemp("clean") / "home"


@pytest.fixture(scope="module")
def client(backend_home):
    """One backend for all tests here: the models' packages take seconds to import."""
    from service_support import BackendProcess, serve_command

    from plugin.client import Client

    process = BackendProcess(backend_home, serve_command())
    process.wait_ready()
    with Client.connect(home=str(backend_home), start=False) as connected:
        yield connected
    process.end()


@pytest.mark.parametrize(
    ("depth", "order"),
    [("u8", "BGRA"), ("u8", "GRAYA"), ("u8", "GRAY"), ("u16", "BGRA"), ("u16", "GRAYA"),
     ("f16", "RGBA"), ("f32", "RGBA"), ("f32", "GRAYA")],
)  # fmt: skip
def test_every_depth_keeps_all_bytes_outside_the_hole(client, depth, order):
    bright = 6.0 if depth.startswith("f") else 1.0
    image = image_of(landscape(), depth, order, bright)
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[30:50, 40:60] = 255
    before = array_of(image, image.data).astype(np.float64)
    job = client.submit_clean(image, QUICK, mask=mask.tobytes())
    reply = job.result()
    job.release()
    hole = np.frombuffer(reply.hole, np.uint8).reshape(mask.shape)
    assert np.array_equal(hole, mask), "--grow 0 fills exactly the mask"
    after = array_of(image, reply.plate)
    assert after[hole == 0].tobytes() == array_of(image, image.data)[hole == 0].tobytes()
    inside = after[hole > 0].astype(np.float64)
    assert not np.array_equal(inside, before[hole > 0])
    if image.channels in (2, 4):
        assert np.array_equal(inside[:, -1], before[hole > 0][:, -1]), "alpha changed"
    assert np.abs(inside[:, 0] - before[hole > 0][:, 0]).mean() < 0.1 * DEPTHS[depth][1]
    if depth.startswith("f"):
        assert after.max() > 1.0, "values beyond white are lost"
    assert reply.found and reply.report["seconds"]["total"] > 0


def test_nothing_to_do(client):
    image = image_of(landscape(), "u8", "BGRA")
    reply = client.submit_clean(image, QUICK).result()
    assert not reply.found and reply.hole is None and reply.object_mask is None
    assert reply.plate == image.data


def test_masks_without_a_fill_send_no_plate(client):
    image = image_of(landscape(), "u8", "BGRA")
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[20:30, 20:30] = 255
    reply = client.submit_clean(image, {**QUICK, "fill": False}, mask.tobytes()).result()
    assert reply.plate == b"" and reply.found
    assert reply.object_mask == mask.tobytes()


def test_the_selection_limits_what_changes(client):
    image = image_of(landscape(), "u8", "BGRA")
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[20:60, 20:60] = 255
    limit = np.zeros_like(mask)
    limit[:, 40:] = 255
    options = {**QUICK, "grow": 4}
    reply = client.submit_clean(image, options, mask.tobytes(), limit.tobytes()).result()
    hole = np.frombuffer(reply.hole, np.uint8).reshape(mask.shape)
    assert hole[:, 40:].any() and not hole[:, :40].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grow": -1}, "grow"),
        ({"grow": 2.5}, "grow"),
        ({"text": 1}, "text"),
        ({"nonsense": 1}, "nonsense"),
        ({"fill_model": "../../etc/passwd"}, "fill_model"),
        ({"device": "toaster"}, "toaster"),
        ({"clicks": [(1e9, 2)]}, "clicks"),
        ({"clicks": [(float("nan"), 2)]}, "clicks"),
        ({"only_text_in": (5, 5, 5, 9)}, "only_text_in"),
    ],
)
def test_wrong_options_are_refused_at_once(client, options, message):
    image = image_of(landscape(), "u8", "BGRA")
    with pytest.raises(BackendError, match=message):
        client.submit_clean(image, options)


def test_wrong_sizes_are_refused(client):
    image = image_of(landscape(), "u8", "BGRA")
    with pytest.raises(BackendError, match="mask has 10 bytes"):
        client.submit_clean(image, QUICK, mask=bytes(10))
    with pytest.raises(BackendError, match="bytes, expected"):
        client.submit_clean(image._replace(width=image.width + 1), QUICK)
    with pytest.raises(BackendError, match="channels"):
        client.submit_clean(image._replace(channels=3), QUICK)


def test_a_model_that_is_not_installed(client):
    image = image_of(landscape(), "u8", "BGRA")
    job = client.submit_clean(image, {"people_model": "fcn_resnet50"})
    with pytest.raises(BackendError, match="cleanplate models install fcn_resnet50"):
        job.result()


def test_info_tells_device_and_models(client):
    info = client.info()
    assert info["device"] and info["device_text"] and info["protocol"] == PROTOCOL
    fills = {row["name"]: row for row in info["models"]["fill"]}
    assert fills["fill-telea"]["installed"] and not fills["big_lama"]["installed"]
    assert sum(row["default"] for row in info["models"]["fill"]) == 1


def test_installing_what_cannot_be_installed(client):
    with pytest.raises(BackendError, match="built in"):
        client.submit("models_install", name="fill-telea")
    with pytest.raises(BackendError, match="no-such-model"):
        client.submit("models_install", name="no-such-model")


def ball(width: int = 160, height: int = 120) -> tuple[Image, np.ndarray]:
    """A red ball on a soft green ground, and where it is (H×W bool)."""
    pixels = landscape(width, height) * [0.3, 0.8, 0.3, 1.0]
    y, x = np.mgrid[0:height, 0:width]
    inside = (x - 90) ** 2 + (y - 60) ** 2 < 26**2
    pixels[inside] = [0.9, 0.1, 0.1, 1.0]
    return image_of(pixels, "u8", "BGRA"), inside


def test_a_click_on_a_person_names_both_models(client):
    file = Path(__file__).resolve().parents[2] / "plugin" / "demo" / "sample.png"
    picture = cv2.imread(str(file))[..., ::-1] / 255
    handle = client.put_image(image_of(np.dstack([picture, np.ones(picture.shape[:2])]),
                                       "u8", "BGRA"))
    height, width = picture.shape[:2]
    on_shirt = client.submit_click(handle, [(0.34 * width, 0.4 * height)]).result()
    assert on_shirt.report["models"] == {"click": "click-builtin", "people": "people-builtin"}
    on_sand = client.submit_click(handle, [(0.9 * width, 0.6 * height)]).result()
    assert on_sand.report["models"] == {"click": "click-builtin"}
    client.drop_image(handle)


def test_clicks_on_a_picture_that_stays_in_the_backend(client):
    """The picture is sent once; each click names the answer before it."""
    image, inside = ball()
    handle = client.put_image(image)
    first = client.submit_click(handle, [(90.5, 60.5)]).result()
    mask = np.frombuffer(first.mask, np.uint8).reshape(inside.shape) > 0
    overlap = (mask & inside).sum() / (mask | inside).sum()
    print(f"{first.report['models']['click']}: IoU {overlap:.3f}, {first.report['seconds']}")
    assert overlap > 0.7 and first.found
    x0, y0, x1, y1 = first.box
    assert mask[y0:y1, x0:x1].sum() == mask.sum() and x0 <= 90 < x1
    again = client.submit_click(
        handle, [(90.5, 60.5)], negatives=[(10.0, 10.0)], previous=first.answer
    ).result()
    assert again.answer != first.answer
    assert not np.frombuffer(again.mask, np.uint8).reshape(inside.shape)[10, 10]
    assert first.report["device"] == {"click": "cpu"}
    job = client.submit_clean(handle, {**QUICK, "grow": 3}, mask=first.mask)
    plate = array_of(image, job.result().plate)
    red = (plate[..., 2].astype(int) - plate[..., 1] > 100)[inside].mean()
    assert red < 0.2, "the ball is still there"
    client.drop_image(handle)
    with pytest.raises(BackendError, match="no longer kept|no such"):
        client._connected()[0].call(
            "submit", "click", (("image", ("handle", 1)), ("positives", ((1.0, 1.0),)))
        )


def test_a_glance_comes_before_the_closer_look(client):
    """The picture is looked at before the first click; its outline comes in two steps, each
    naming the same object."""
    image, inside = ball(960, 720)
    handle = client.put_image(image)
    assert client.submit_look(handle).result().values["report"]["device"] == "cpu"
    glance = client.submit_click(handle, [(90.5, 60.5)], glance=True).result()
    assert glance.found and not glance.whole
    closer = client.submit_click(handle, [(90.5, 60.5)]).result()
    assert closer.whole
    mask = np.pad(np.frombuffer(closer.mask, np.uint8).reshape(inside.shape), 1) > 0
    borders = (mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum()
    lines = [np.array(line).reshape(-1, 2) for line in closer.outlines()]
    assert sum(np.abs(np.diff(line, axis=0)).sum() for line in lines) == borders > 100

    def overlap(reply):
        mask = np.frombuffer(reply.mask, np.uint8).reshape(inside.shape) > 0
        return (mask & inside).sum() / (mask | inside).sum()

    assert overlap(closer) > 0.7 and overlap(glance) > 0.4
    client.submit_look(handle).result()  # prepares for corrections
    client.drop_image(handle)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"positives": []}, "Click on the object"),
        ({"positives": [(160.0, 5.0)]}, "outside the picture"),
        ({"positives": [(-0.1, 5.0)]}, "outside the picture"),
        ({"positives": [(5.0, 5.0)], "box": (9, 9, 9, 9)}, "empty"),
        ({"positives": [(5.0, 5.0)], "previous": -1}, "previous"),
        ({"positives": [(5.0, 5.0)], "model": "x/y"}, "model"),
        ({"positives": [(5.0, 5.0)], "glance": 1}, "glance"),
    ],
)
def test_wrong_clicks_are_refused(client, arguments, message):
    handle = client.put_image(ball()[0])
    try:
        with pytest.raises(BackendError, match=message):
            client.submit_click(handle, **arguments)
    finally:
        client.drop_image(handle)


def test_too_many_pictures_are_refused(client):
    image = image_of(landscape(), "u8", "BGRA")
    handles = [client.put_image(image) for _ in range(8)]
    with pytest.raises(BackendError, match="Too many pictures"):
        client.put_image(image)
    for handle in handles:
        client.drop_image(handle)
    client.drop_image(client.put_image(image))


def test_cancelling_a_real_run(client):
    """Text and people in a larger picture: the backend takes the next job soon after."""
    image = image_of(landscape(1600, 1200), "u8", "BGRA")
    job = client.submit_clean(image, {"device": "cpu"})
    seen = set()
    busy = {"load", "people", "text"}
    while not seen & busy and not job.wait(0.01, lambda s: seen.add(s.stage)).ended:
        continue
    job.cancel()
    with pytest.raises(JobCancelled):
        job.result()
    small = image_of(landscape(), "u8", "BGRA")
    assert client.submit_clean(small, QUICK).wait(LONG).state == "done"
