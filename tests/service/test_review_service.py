"""Review and refill through the real process, with the real models on a real picture."""

from __future__ import annotations

import numpy as np
import pytest
from service_support import LONG, BackendProcess, serve_command

from plugin.client import BackendError, Client, Image, JobCancelled
from plugin.demo.compose import compose

CPU = {"device": "cpu", "fill_model": "fill-telea"}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """One backend for all tests here: the models take seconds to load."""
    home = tmp_path_factory.mktemp("review") / "home"
    process = BackendProcess(home, serve_command())
    process.wait_ready()
    with Client.connect(home=str(home), start=False) as connected:
        yield connected
    process.end()


def image_of(pixels: np.ndarray, depth: str = "u8", linear: bool = False) -> Image:
    """RGBA uint8 → an Image of any depth."""
    height, width = pixels.shape[:2]
    if depth == "u16":
        pixels = pixels.astype(np.uint16) * 257
    elif depth != "u8":
        pixels = (pixels.astype(np.float32) / 255).astype({"f16": np.float16}.get(depth, "f4"))
        pixels[:40, :40, :3] *= 5  # brighter than white
    return Image(width, height, 4, depth, "RGBA", pixels.tobytes(), linear)


def plane(data: bytes | None, image: Image) -> np.ndarray:
    if data is None:
        return np.zeros((image.height, image.width), np.uint8)
    return np.frombuffer(data, np.uint8).reshape(image.height, image.width)


def full(item, image: Image) -> np.ndarray:
    x0, y0, x1, y1 = item.box
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[y0:y1, x0:x1] = np.frombuffer(item.mask, np.uint8).reshape(y1 - y0, x1 - x0)
    return mask


@pytest.fixture(scope="module")
def advert(client):
    """The demo's advert, what is found in it, and the one click's answer to it."""
    image = image_of(compose())
    found = client.submit_find(image, CPU).result()
    cleaned = client.submit_clean(image, CPU).result()
    return image, found, cleaned


def test_find_tells_people_and_lines_one_by_one(advert):
    image, found, cleaned = advert
    kinds = [item.kind for item in found.items]
    assert kinds == sorted(kinds, key=["person", "object", "text"].index)
    people = [item for item in found.items if item.kind == "person"]
    assert [p.name for p in people] == [f"Person {n}" for n in range(1, len(people) + 1)]
    assert people
    union = np.max([full(p, image) for p in people], axis=0)
    assert np.array_equal(union, plane(cleaned.object_mask, image))
    lines = [item for item in found.items if item.kind == "text"]
    words = [line.name.upper().replace(" ", "") for line in lines]
    assert "SUMMERSALE" in words, words
    masks = [full(line, image) > 0 for line in lines]
    assert np.sum(masks, axis=0).max() == 1, "two lines share a pixel"
    assert np.array_equal(np.any(masks, axis=0), plane(cleaned.text_mask, image) > 0)
    for item in found.items:
        mask = full(item, image)
        x0, y0, x1, y1 = item.box
        assert mask[y0].any() and mask[y1 - 1].any() and mask[:, x0].any() and mask[:, x1 - 1].any()
    assert found.report["counts"]["text"] == len(lines)
    assert set(found.report["models"]) == {"people", "text"}
    assert "fill" not in found.report["seconds"]


def test_find_looks_only_for_what_is_asked(client, advert):
    image = advert[0]
    quick = {"text": False, "people": False, "device": "cpu"}
    clicks = [(person.box[0] + person.box[2]) / 2 for person in advert[1].items[:1]]
    x0, y0, x1, y1 = advert[1].items[0].box
    found = client.submit_find(image, {**quick, "clicks": [(clicks[0], (y0 + y1) / 2)]}).result()
    assert [item.kind for item in found.items] == ["object"]
    assert found.items[0].name == "Object 1"
    assert client.submit_find(image, quick).result().items == ()


def test_an_unticked_line_stays(client, advert):
    """Review: everything but one line is filled; that line's pixels are the source's."""
    image, found, _ = advert
    lines = [item for item in found.items if item.kind == "text"]
    kept = next(line for line in lines if "SUMMER" in line.name.upper())
    text = np.max([full(line, image) for line in lines if line is not kept], axis=0)
    people = np.max([full(p, image) for p in found.items if p.kind == "person"], axis=0)
    reply = client.submit_refill(image, people.tobytes(), text.tobytes(), CPU).result()
    hole = plane(reply.hole, image) > 0
    source = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 4)
    plate = np.frombuffer(reply.plate, np.uint8).reshape(source.shape)
    assert (hole | (people == 0))[people > 0].mean() > 0.99 and hole[text > 0].mean() > 0.95
    stays = (full(kept, image) > 0) & ~hole
    assert stays.sum() > 0.95 * (full(kept, image) > 0).sum()
    assert plate[~hole].tobytes() == source[~hole].tobytes()


def test_the_masks_of_a_run_give_its_hole_again(client, advert):
    image, _, cleaned = advert
    reply = client.submit_refill(image, cleaned.object_mask, cleaned.text_mask, CPU).result()
    assert reply.hole == cleaned.hole and reply.plate == cleaned.plate


@pytest.mark.parametrize(
    ("depth", "linear"), [("u8", False), ("u16", False), ("f16", False), ("f32", True)]
)
def test_refill_after_painting_and_erasing(client, depth, linear):
    """In every depth: hand work stays, the original comes back, byte for byte."""
    image = image_of(compose(), depth, linear)
    one, two = (np.zeros((image.height, image.width), np.uint8) for _ in range(2))
    one[200:240, 100:150] = 255
    two[300:350, 400:460] = 255
    first = client.submit_refill(image, one.tobytes(), None, CPU).result()
    assert first.restored is None
    pixel = len(image.data) // one.size
    byhand = bytearray(first.plate)
    byhand[:pixel] = byhand[-pixel:]
    plate = image._replace(data=bytes(byhand))
    reply = client.submit_refill(
        plate, two.tobytes(), None, CPU, changed=np.maximum(one, two).tobytes(), original=image
    ).result()
    hole, restored = plane(reply.hole, image) > 0, plane(reply.restored, image) > 0
    assert hole[two > 0].all() and restored[one > 0].all() and not (hole & restored).any()
    after, before, source = (
        np.frombuffer(data, np.uint8).reshape(image.height, image.width, pixel)
        for data in (reply.plate, plate.data, image.data)
    )
    assert after[~hole & ~restored].tobytes() == before[~hole & ~restored].tobytes()
    assert after[restored].tobytes() == source[restored].tobytes()
    assert after[one > 0].tobytes() == source[one > 0].tobytes()
    assert after[0, 0].tobytes() == before[0, 0].tobytes() != source[0, 0].tobytes()
    assert (after != before)[hole].any()


def test_wrong_arguments_are_refused_at_once(client):
    image = image_of(compose())
    mask = bytes(image.width * image.height)
    for arguments, message in (
        ({"object_mask": bytes(10), "text_mask": None}, "object mask has 10 bytes"),
        ({"object_mask": None, "text_mask": bytes(7)}, "text mask has 7 bytes"),
        ({"object_mask": mask, "text_mask": None, "changed": bytes(3)}, "changed has 3 bytes"),
        ({"object_mask": mask, "text_mask": None, "options": {"grow": "much"}}, "grow"),
        ({"object_mask": mask, "text_mask": None,
          "original": image._replace(width=image.height, height=image.width)}, "same size"),
    ):  # fmt: skip
        with pytest.raises(BackendError, match=message):
            client.submit_refill(image, **arguments)
    for kind, arguments in (
        ("find", {"image": image, "mask": mask}),
        ("refill", {"image": image, "object_mask": "text"}),
        ("refill", {"image": image, "object_mask": 7}),
        ("refill", {"image": image, "original": True}),
        ("refill", {"image": ("handle", 99)}),
        ("find", {"image": image, "options": 3}),
        ("find", {}),
    ):
        with pytest.raises(BackendError) as refused:
            client.submit(kind, **arguments)
        assert "Traceback" not in refused.value.message and "/" not in refused.value.message
    job = client.submit_refill(image, b"\xff" * len(mask), None, CPU)
    with pytest.raises(BackendError, match="whole picture"):
        job.result()


def test_cancelling_a_find(client):
    image = image_of(np.tile(compose(), (2, 2, 1)))
    job = client.submit_find(image, {"device": "cpu"})
    seen = set()
    while not seen & {"people", "text"} and not job.wait(0.01, lambda s: seen.add(s.stage)).ended:
        continue
    job.cancel()
    with pytest.raises(JobCancelled):
        job.result()
    assert client.submit_find(image, {"people": False, "text": False}).wait(LONG).state == "done"
