"""Reads the people sets: photos with labels and trust, cut-outs of people and of other things."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch

from backend.training.bank import Bank, fit
from backend.training.compose import Sources
from backend.training.data import Material, Photo, backgrounds, read_folders
from backend.training.letters import draw_lines

# Which BSDS photos show nobody, and which segments of the others are people (chosen by eye).
BSDS = Path(__file__).with_name("bsds_people.json")
PHOTO_SIDE, LETTER_SIDE = 480, 320
NEAR = 24  # px around a labelled person within which its label is trusted


def fill_pinholes(mask: np.ndarray, share: float = 0.02) -> np.ndarray:
    """Closes holes smaller than `share` of the mask: masks made by a tool are full of them."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((mask == 0).astype(np.uint8))
    limit = share * np.count_nonzero(mask)
    small = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] < limit]
    out = mask.copy()
    out[np.isin(parts, small)] = 255
    return out


def cut_outs(photo: Photo, ids: list[int] | None, smallest: int) -> list[np.ndarray]:
    """H×W×4 crops (RGB, alpha) around the labelled things that are at least `smallest` px²."""
    if photo.labels is None:
        return []
    out = []
    for label in ids if ids is not None else [int(v) for v in np.unique(photo.labels) if v]:
        mask = (photo.labels == label).astype(np.uint8) * 255
        if np.count_nonzero(mask) < smallest:
            continue
        ys, xs = np.nonzero(mask)
        y0, y1 = max(0, ys.min() - 2), ys.max() + 3
        x0, x1 = max(0, xs.min() - 2), xs.max() + 3
        out.append(np.dstack([photo.rgb[y0:y1, x0:x1], mask[y0:y1, x0:x1]]))
    return out


def matting(root: Path) -> list[np.ndarray]:
    """The foregrounds of the matting set: toys, plants, animals, none of them a person."""
    out = []
    for path in sorted((root / "matting").glob("*_alpha.png")):
        alpha = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        image = cv2.imread(str(path.with_name(path.name.replace("_alpha.png", ".jpg"))))
        if alpha is None or image is None:
            continue
        if alpha.shape != image.shape[:2]:
            alpha = cv2.resize(alpha, (image.shape[1], image.shape[0]))
        out.append(np.dstack([image[..., ::-1], alpha]))
    return out


def _trust(photo: Photo, far: np.ndarray | None) -> np.ndarray:
    """H×W×5: RGB, label, weight. `far`: weight (0 or 255) where no labelled person is near."""
    label = np.zeros(photo.rgb.shape[:2], np.uint8)
    if photo.labels is not None:
        label = (photo.labels > 0).astype(np.uint8) * 255
        if photo.group == "people_portraits":
            label = fill_pinholes(label)
    weight = np.full_like(label, 255)
    if far is not None:
        distance = cv2.distanceTransform((label == 0).astype(np.uint8), cv2.DIST_L2, 3)
        weight = np.where(distance > NEAR, far, 255).astype(np.uint8)
    return np.dstack([photo.rgb, label, weight])


def teacher_far(
    photos: list[Photo], teacher: torch.nn.Module | None, device: torch.device, limit: float
) -> list[np.ndarray]:
    """Weight far from the labelled people: 255 where the teacher sees nobody (below `limit`),
    else 0, since bystanders have no label there. Without a teacher nothing far counts."""
    out = []
    for photo in photos:
        height, width = photo.rgb.shape[:2]
        if teacher is None:
            out.append(np.zeros((height, width), np.uint8))
            continue
        size = (max(1, round(width / 32)) * 32, max(1, round(height / 32)) * 32)
        small = cv2.resize(photo.rgb, size, interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            x = torch.from_numpy(small).to(device).permute(2, 0, 1)[None].float() / 255
            seen = torch.sigmoid(teacher(torch.cat([x, x.flip(3)])))
            seen = torch.maximum(seen[:1], seen[1:].flip(3))
            seen = torch.nn.functional.max_pool2d(seen, 9, 1, 4)
        found = cv2.resize(seen[0, 0].cpu().numpy(), (width, height))
        out.append((found < limit).astype(np.uint8) * 255)
    return out


def people_material(
    root: Path, device: torch.device, teacher: torch.nn.Module | None, seed: int,
    share: float = 1.0, side: int = PHOTO_SIDE,
) -> Material:
    """Everything a composer needs. `share` < 1 takes only that part of each set (for tests);
    `side` is the long side in px at which photos are kept (cut-outs: three quarters)."""
    bsds = json.loads(BSDS.read_text())
    nobody, chosen = set(bsds["nobody"]), bsds["people"]

    def some(photos: list[Photo]) -> list[Photo]:
        return photos[: max(4, round(len(photos) * share))]

    wild = read_folders(root, ("objects_bsds_train",), 320)
    calm = [p for p in wild if p.name in nobody]
    empty = some(backgrounds(root, 320)) + some(calm)
    shown = []
    for photo in wild:
        if photo.name in chosen and photo.labels is not None:
            people = np.isin(photo.labels, chosen[photo.name]).astype(np.uint8)
            shown.append(Photo(photo.name, photo.group, photo.rgb, people))
    fashion = some(read_folders(root, ("people_ccp",), 320))
    portraits = some(read_folders(root, ("people_portraits",), 320))
    exact = read_folders(root, ("people_pennfudan", "people_coco128"), 448)
    exact = some(exact) + some(shown)
    main = [p for p in fashion + portraits if p.labels is not None and p.labels.any()]

    small = [Photo(p.name, p.group, fit(p.rgb, side), _fit_labels(p, side)) for p in main + exact]
    far = teacher_far(small[: len(main)], teacher, device, 0.12)
    far += teacher_far(small[len(main) :], teacher, device, 0.6) if teacher else [None] * len(exact)
    with ThreadPoolExecutor(3) as pool:
        labelled = list(pool.map(_trust, small, far))

    people = [c for p in main for c in cut_outs(joined(p), [1], 900)]
    people += [c for p in exact for c in cut_outs(p, None, 1200)]
    things = [c for p in empty if p.group.endswith("no_person") for c in cut_outs(p, None, 600)]
    things += [c for p in some(calm) for c in segments(p)] + matting(root)
    return Material(
        [fit(p.rgb, side) for p in empty], labelled[: len(main)], labelled[len(main) :],
        [fit(c, cut_side(side)) for c in people], [fit(c, cut_side(side)) for c in things],
        draw_lines(root / "fonts", max(8, round(300 * share)), seed),
    )


def saliency_material(root: Path, seed: int, share: float = 1.0) -> Material:
    """The same for the saliency net: what stands out is labelled, people and things alike."""

    def some(photos: list[Photo]) -> list[Photo]:
        return photos[: max(4, round(len(photos) * share))]

    scenes = ("background_houses", "background_urban100", "background_sunhays")
    empty = [p for scene in scenes for p in some(read_folders(root, (scene,), 320))]
    fashion = some(read_folders(root, ("people_ccp",), 320))
    portraits = some(read_folders(root, ("people_portraits",), 320))
    main = [p for p in fashion + portraits if p.labels is not None and p.labels.any()]
    things = some(read_folders(root, ("objects_coco128_no_person",), 320))
    things = [p for p in things if p.labels is not None and p.labels.any()]
    nobody = set(json.loads(BSDS.read_text())["nobody"])
    wild = [p for p in read_folders(root, ("objects_bsds_train",), 320) if p.name in nobody]
    people = [c for p in main for c in cut_outs(joined(p), [1], 900)]
    objects = [c for p in things for c in cut_outs(p, None, 600)]
    objects += [c for p in some(wild) for c in segments(p)] + matting(root)
    side = cut_side(PHOTO_SIDE)
    return Material(
        [fit(p.rgb, PHOTO_SIDE) for p in empty], [_trust(p, None) for p in main],
        [_trust(p, None) for p in things], [fit(c, side) for c in people],
        [fit(c, side) for c in objects],
        draw_lines(root / "fonts", max(8, round(300 * share)), seed),
    )


def segments(photo: Photo) -> list[np.ndarray]:
    """Middle-sized segments of a BSDS photo as cut-outs."""
    assert photo.labels is not None
    parts = [int(v) for v in np.unique(photo.labels) if v]
    sized = [v for v in parts if 0.01 < np.mean(photo.labels == v) < 0.4]
    return cut_outs(photo, sized, 600)


def cut_side(side: int) -> int:
    """Long side in px of cut-outs, given that of photos."""
    return round(side * 0.75 / 4) * 4


def banks(material: Material, device: torch.device, side: int = PHOTO_SIDE) -> Sources:
    """The same as tensors on the device, for the device's composer."""
    plain = [
        np.dstack([p, np.zeros(p.shape[:2], np.uint8), np.full(p.shape[:2], 255, np.uint8)])
        for p in material.empty
    ]
    photos = plain + material.main + material.exact
    first, second = len(plain), len(plain) + len(material.main)
    people, things = material.people, material.things
    return Sources(
        Bank(photos, side, device),
        Bank(people + things, cut_side(side), device),
        Bank(material.lines, LETTER_SIDE, device),
        np.arange(first),
        np.arange(first, second),
        np.arange(second, len(photos)),
        np.arange(len(people)),
        np.arange(len(people), len(people) + len(things)),
    )


def _fit_labels(photo: Photo, side: int) -> np.ndarray | None:
    if photo.labels is None:
        return None
    shape = fit(photo.rgb, side).shape
    return cv2.resize(photo.labels, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)


def joined(photo: Photo) -> Photo:
    """All people of a photo as one cut-out, without the pin-holes."""
    assert photo.labels is not None
    mask = (photo.labels > 0).astype(np.uint8) * 255
    if photo.group == "people_portraits":
        mask = fill_pinholes(mask)
    return Photo(photo.name, photo.group, photo.rgb, (mask > 0).astype(np.uint8))
