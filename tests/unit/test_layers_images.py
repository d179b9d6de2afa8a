"""Every kind of file in, layered files out."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from pipeline_doubles import cmyk_profile

from backend.layers import images
from backend.layers.images import read_mask, read_picture
from backend.layers.ora import Layer, mask_layer, write_ora
from backend.layers.png import encode_png
from backend.values import BadInput

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize(("mode", "channels"), [
    ("RGB", 3), ("RGBA", 4), ("L", 3), ("LA", 4), ("P", 3), ("1", 3)])
def test_8bit_modes_become_rgb(tmp_path: Path, mode: str, channels: int) -> None:
    source = Image.fromarray(noise(9, 14, 4 if "A" in mode else 3)).convert(mode)
    source.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.shape == (9, 14, channels) and picture.pixels.dtype == np.uint8
    expected = np.array(source.convert("RGBA" if channels == 4 else "RGB"))
    assert (picture.pixels == expected).all()
    assert picture.grey == (mode in ("L", "LA", "1"))


def test_palette_with_transparency_keeps_its_alpha(tmp_path: Path) -> None:
    source = Image.fromarray((noise(8, 8) % 4).astype(np.uint8)).convert("P")
    source.save(tmp_path / "a.png", transparency=2)
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.shape[2] == 4
    assert ((picture.pixels[..., 3] == 0) == (np.array(source) == 2)).all()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16bit_is_read_bit_by_bit(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = noise(9, 14, channels, dtype=np.uint16)
    bgr = pixels[..., [2, 1, 0, 3][:channels]] if channels > 1 else pixels[..., 0]
    cv2.imwrite(str(tmp_path / f"a{suffix}"), bgr)
    picture = read_picture(tmp_path / f"a{suffix}")
    assert picture.pixels.dtype == np.uint16
    assert (picture.pixels == (pixels if channels > 1 else np.repeat(pixels, 3, 2))).all()
    assert picture.grey == (channels == 1)


def test_float_tiff_keeps_values_beyond_white(tmp_path: Path) -> None:
    pixels = (noise(9, 14, 3) / 100).astype(np.float32)
    cv2.imwrite(str(tmp_path / "a.tif"), pixels[..., ::-1])
    picture = read_picture(tmp_path / "a.tif")
    assert picture.pixels.dtype == np.float32 and (picture.pixels == pixels).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    Image.fromarray(noise(6, 9, 3)).save(tmp_path / "a.png", exif=exif)
    picture = read_picture(tmp_path / "a.png").pixels
    # Our own turning of deep pictures must agree with Pillow's of 8-bit ones.
    assert (picture == images._upright(noise(6, 9, 3), orientation)).all()
    assert picture.shape[:2] == ((9, 6) if orientation > 4 else (6, 9))


def test_16bit_png_is_turned_upright(tmp_path: Path) -> None:
    pixels = noise(6, 9, 3, dtype=np.uint16)
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    from backend.layers.png import SIGNATURE_AND_HEADER, _chunk

    data, at = encode_png(pixels), SIGNATURE_AND_HEADER
    chunk = _chunk(b"eXIf", exif.tobytes()[6:])
    (tmp_path / "a.png").write_bytes(data[:at] + chunk + data[at:])
    turned = read_picture(tmp_path / "a.png").pixels
    assert (turned == np.rot90(pixels, -1)).all()


def test_profile_and_resolution_are_kept(tmp_path: Path) -> None:
    Image.fromarray(noise(6, 9, 3)).save(tmp_path / "a.jpg", icc_profile=SRGB, dpi=(300, 300))
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.icc == SRGB and picture.dpi == (300, 300)
    (tmp_path / "b.png").write_bytes(encode_png(noise(6, 9, 3, dtype=np.uint16), SRGB, (300, 300)))
    again = read_picture(tmp_path / "b.png")
    assert again.icc == SRGB and again.dpi == pytest.approx((300, 300), abs=0.1)
    with Image.open(tmp_path / "b.png") as opened:
        opened.load()
        assert opened.info["icc_profile"] == SRGB


def test_cmyk_goes_through_its_profile(tmp_path: Path) -> None:
    profile, source = cmyk_profile(), Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    source.save(tmp_path / "a.jpg", icc_profile=profile, quality=100)
    picture = read_picture(tmp_path / "a.jpg")
    expected = ImageCms.profileToProfile(
        source, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION)
    assert np.abs(picture.pixels.astype(int) - np.array(expected)).max() <= 3
    assert np.abs(picture.pixels.astype(int) - np.array(source.convert("RGB"))).max() > 40
    assert picture.icc is None and "through its profile" in picture.notes[0]


def test_cmyk_without_a_profile_says_so(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.pixels[0, 0].tolist() == [255, 0, 0] and "without a profile" in picture.notes[0]


def test_a_profile_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    Image.fromarray(noise(6, 9, 3)).save(tmp_path / "a.png", icc_profile=cmyk_profile())
    picture = read_picture(tmp_path / "a.png")
    assert picture.icc is None and "left out" in picture.notes[0]


@pytest.mark.parametrize("content", [
    b"", b"hello", b"\x89PNG\r\n\x1a\n", b"II*\0\x08\0\0\0", b"\xff\xd8\xff\xe0broken", b"P6 x"])
def test_damaged_files_are_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(BadInput, match="a.png"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cut_off_files_are_told(tmp_path: Path, dtype: type) -> None:
    data = encode_png(noise(200, 200, 3, dtype=dtype))
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match="a.png"):
        read_picture(tmp_path / "a.png")


def test_missing_and_huge_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be opened"):
        read_picture(tmp_path / "none.png")
    Image.new("1", (30000, 30000)).save(tmp_path / "huge.png")
    with pytest.raises(BadInput, match="megapixels"):
        read_picture(tmp_path / "huge.png")


def test_masks_are_light_and_opaque_pixels(tmp_path: Path) -> None:
    mask = (noise(6, 9) > 100).astype(np.uint8) * 255
    white = np.dstack([np.full((6, 9, 3), 255, np.uint8), mask])
    for name, pixels in (("grey", mask), ("layer", white), ("deep", mask.astype(np.uint16) * 257)):
        (tmp_path / f"{name}.png").write_bytes(encode_png(pixels))
        assert (read_mask(tmp_path / f"{name}.png", (6, 9)) == mask).all()
    with pytest.raises(BadInput, match="9×6"):
        read_mask(tmp_path / "grey.png", (9, 6))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ora_is_what_the_specification_asks(tmp_path: Path, dtype: type) -> None:
    pixels, mask = noise(300, 520, 3, dtype=dtype), np.zeros((300, 520), np.uint8)
    mask[10:20] = 255
    write_ora(tmp_path / "a.ora", [mask_layer("Mask", mask), Layer("Picture", pixels)], pixels,
              SRGB, (300.0, 300.0))
    with zipfile.ZipFile(tmp_path / "a.ora") as archive:
        first = archive.infolist()[0]
        assert first.filename == "mimetype" and first.compress_type == zipfile.ZIP_STORED
        assert archive.read("mimetype") == b"image/openraster" and not first.extra
        root = ElementTree.fromstring(archive.read("stack.xml"))
        assert root.attrib["w"] == "520" and root.attrib["h"] == "300"
        layers = root.findall("stack/layer")
        assert [(x.get("name"), x.get("visibility")) for x in layers] == [
            ("Mask", "hidden"), ("Picture", "visible")]
        mask_back = decode(archive.read(layers[0].attrib["src"]))
        assert (mask_back[..., 3] == mask).all() and (mask_back[..., :3] == 255).all()
        back = decode(archive.read(layers[1].attrib["src"]))
        assert back.dtype == dtype and (back[..., ::-1] == pixels).all()
        merged = archive.read("mergedimage.png")
        assert (decode(merged)[..., ::-1] == pixels).all()
        assert Image.open(io.BytesIO(merged)).info["icc_profile"] == SRGB
        thumbnail = Image.open(io.BytesIO(archive.read("Thumbnails/thumbnail.png")))
        assert thumbnail.size == (256, 148) and thumbnail.mode == "RGB"


def decode(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
