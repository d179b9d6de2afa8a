"""LaMa, MI-GAN and PConvUNet: what goes into the network and what comes out, on stand-in files."""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from backend.fill import lama, migan, pconv  # noqa: E402
from backend.networks.pconv import SMALL, PartialConv2d, PConvUNet, smooth  # noqa: E402
from backend.values import Control  # noqa: E402

ENTRY = SimpleNamespace(name="stand-in")


class StandInLama(torch.nn.Module):
    """Inside the mask answers its own input turned from RGB to the fixed picture (R, 0.25, mask),
    and refuses sizes that are no multiple of 8 or values outside [0, 1]."""

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert image.shape[2] % 8 == 0 and image.shape[3] % 8 == 0
        assert float(image.max()) <= 1.0 and float(image.min()) >= 0.0
        quarter = torch.zeros_like(mask) + 0.25
        answer = torch.cat([image[:, :1].mean().expand_as(mask), quarter, mask], 1)
        return answer * mask + image * (1 - mask)


class StandInMigan(torch.nn.Module):
    """Takes 4 planes of 512²; answers red 1 where the first plane says hole, else the RGB."""

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        assert planes.shape[1] == 4 and planes.shape[2] == 512 and planes.shape[3] == 512
        hole = (planes[:, :1] < 0).float()  # 0.5 - 1
        red = torch.cat([hole, -hole, -hole], 1)
        return planes[:, 1:] * (1 - hole) + red


def case(height=101, width=150):
    rng = np.random.default_rng(1)
    rgb = rng.random((height, width, 3)).astype(np.float32)
    rgb[..., 0] *= 0.5  # a network fed with BGR would answer another red
    hole = np.zeros((height, width), np.uint8)
    hole[40:70, 50:90] = 255
    return rgb, hole


def script(module, path):
    torch.jit.script(module).save(str(path))
    return {path.name: path}


def test_lama_gets_rgb_in_unit_range_and_mask_one_in_the_hole(tmp_path):
    files = script(StandInLama(), tmp_path / "big-lama.pt")
    model = lama.load_torchscript(ENTRY, files, "cpu", Control())
    rgb, hole = case()
    result = model.fill(rgb, hole, Control())
    assert result.shape == rgb.shape and result.dtype == np.float32
    assert np.array_equal(result[hole == 0], rgb[hole == 0])
    inside = result[hole > 0]
    assert np.allclose(inside[:, 1:], (0.25, 1.0), atol=1e-5)
    assert abs(inside[0, 0] - rgb[..., 0].mean()) < 0.05


def test_lama_sees_unknown_pixels_as_hole(tmp_path):
    files = script(StandInLama(), tmp_path / "big-lama.pt")
    model = lama.load_torchscript(ENTRY, files, "cpu", Control())
    rgb, hole = case()
    seen = []
    inner = model.predict
    model.predict = lambda p, area, *rest: seen.append(area.copy()) or inner(p, area, *rest)
    known = np.where(hole > 0, 0, 255).astype(np.uint8)
    known[:, :20] = 0
    model.fill(rgb, hole, Control(), known=known)
    assert seen[0][:101, :20].all() and not seen[0][:39, 30:150].any()


def test_large_crops_are_filled_smaller_then_get_detail(tmp_path):
    files = script(StandInLama(), tmp_path / "big-lama.pt")
    model = lama.load_torchscript(ENTRY, files, "cpu", Control())
    model.description = lama.Description("stand-in", "cpu", 16, 8, 64, 64)
    shapes = []
    inner = model.predict
    model.predict = lambda p, *rest: shapes.append(p.shape) or inner(p, *rest)
    rgb, hole = case(128, 256)
    result = model.fill(rgb, hole, Control())
    assert shapes == [(32, 64, 3)]  # aspect kept
    assert np.array_equal(result[hole == 0], rgb[hole == 0])
    assert result[hole > 0].std() > 0.1  # detail of the picture, not the flat answer


def test_short_memory_is_retried_smaller_and_told(tmp_path):
    files = script(StandInLama(), tmp_path / "big-lama.pt")
    model = lama.load_torchscript(ENTRY, files, "cpu", Control())
    model.description = lama.Description("stand-in", "cpu", 16, 8, 512, 1024)
    rgb, hole = case(80, 1024)
    inner = model.predict

    def short(picture, *rest):
        if picture.shape[1] > 600:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return inner(picture, *rest)

    model.predict = short
    control = Control()
    result = model.fill(rgb, hole, control)
    assert any("half size" in note for note in control.notes)
    assert np.array_equal(result[hole == 0], rgb[hole == 0])


def test_migan_gets_512_square_with_aspect_kept(tmp_path):
    files = script(StandInMigan(), tmp_path / "migan_traced.pt")
    model = migan.load_torchscript(ENTRY, files, "cpu", Control())
    rgb, hole = case()
    result = model.fill(rgb, hole, Control())
    assert np.array_equal(result[hole == 0], rgb[hole == 0])
    assert np.allclose(result[hole > 0], (1.0, 0.0, 0.0), atol=1e-5)


def test_migan_pipeline_keeps_where_the_mask_is_255():
    given = {}

    class Session:
        def get_inputs(self):
            return [SimpleNamespace(name="image"), SimpleNamespace(name="mask")]

        def run(self, _names, feed):
            given.update(feed)
            answer = feed["image"].copy()
            answer[np.broadcast_to(feed["mask"] == 0, answer.shape)] = 200
            return [answer]

    model = migan.MiganPipelineFill(Session(), migan.Description("stand-in", "cpu"))
    rgb, hole = case()
    result = model.fill(rgb, hole, Control())
    assert given["image"].dtype == np.uint8 and given["image"].shape == (1, 3, 101, 150)
    assert given["mask"].shape == (1, 1, 101, 150)
    assert np.array_equal(given["mask"][0, 0] == 0, hole > 0)
    assert np.array_equal(result[hole == 0], rgb[hole == 0])
    assert np.allclose(result[hole > 0], 200 / 255)


def test_refinement_on_a_small_generator_of_lamas_form(monkeypatch):
    from backend.fill import refine as module
    from backend.fill.refine import refine, scales

    monkeypatch.setattr(module, "STEPS", 3)

    class ResnetBlock(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            return x[0] + self.conv(x[0]), x[1]

    class Front(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            y = self.conv(x)
            return y, y * 0.5

    class Join(torch.nn.Module):
        def forward(self, x):
            return torch.sigmoid((x[0] + x[1])[:, :3])

    torch.manual_seed(0)
    layers = torch.nn.Sequential(Front(), ResnetBlock(), Join()).requires_grad_(False)
    before = [p.clone() for p in layers.parameters()]
    assert [scales(s) for s in (300, 512, 1000, 2000, 9000)] == [1, 1, 2, 3, 3]
    image = torch.rand(1, 3, 736, 741)
    mask = torch.zeros(1, 1, 736, 741)
    mask[..., 300:500, 300:500] = 1
    result = refine(layers, image, mask, Control())
    assert result.shape == image.shape
    assert torch.equal(result * (1 - mask), image * (1 - mask))
    assert all(torch.equal(a, b) for a, b in zip(before, layers.parameters(), strict=True))


def test_spandrel_module_and_torchscript_agree(tmp_path):
    spandrel = pytest.importorskip("spandrel")
    from spandrel.architectures.LaMa import LaMa

    torch.manual_seed(0)
    network = LaMa(in_nc=4).eval()
    path = tmp_path / "lama.pth"
    state = {k.replace("model.model", "generator.model", 1): v
             for k, v in network.state_dict().items()}
    torch.save(state, path)
    assert spandrel.ModelLoader().load_from_file(path).architecture.id == "LaMa"
    model = lama.load_module(ENTRY, {path.name: path}, "cpu", Control())
    rgb, hole = case(61, 70)
    result = model.fill(rgb, np.roll(hole, -30, 1), Control())
    assert result.shape == rgb.shape and np.isfinite(result).all()


def test_partial_convolution_has_its_window_factor_and_updates_the_mask():
    layer = PartialConv2d(1, 1, 3, bias=False)
    torch.nn.init.constant_(layer.conv.weight, 1 / 9)
    mask = torch.zeros(1, 1, 9, 9)
    mask[..., :3] = 1
    y, seen = layer(torch.full((1, 1, 9, 9), 0.7) * mask, mask)
    assert torch.allclose(y[seen > 0], torch.tensor(0.7), atol=1e-6)  # mean of the known ones
    assert seen[..., :4].all() and not seen[..., 4:].any()
    assert not y[seen == 0].any()


def test_pconv_answer_does_not_depend_on_what_the_hole_held(tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    state = {k: v.half() for k, v in PConvUNet().state_dict().items() if v.is_floating_point()}
    path = tmp_path / "fill-pconv.safetensors"
    save_file(state, path)
    assert path.stat().st_size < 10e6
    model = pconv.load(ENTRY, {path.name: path}, "cpu", Control())
    rgb, hole = case(70, 130)
    other = rgb.copy()
    other[hole > 0] = 0.9
    a, b = model.fill(rgb, hole, Control()), model.fill(other, hole, Control())
    assert np.array_equal(a[hole > 0], b[hole > 0])
    assert np.array_equal(a[hole == 0], rgb[hole == 0])


def test_the_narrow_pconv_net_is_recognised_by_its_weights(tmp_path):
    from safetensors.torch import save_file

    state = {k: v for k, v in PConvUNet(SMALL).state_dict().items() if v.is_floating_point()}
    save_file(state, tmp_path / "x.safetensors")
    model = pconv.load(ENTRY, {"x": tmp_path / "x.safetensors"}, "cpu", Control())
    assert model.description.multiple_of == 64
    rgb, hole = case(70, 130)
    made = model.fill(rgb, hole, Control())
    assert made.shape == rgb.shape and np.array_equal(made[hole == 0], rgb[hole == 0])


def test_a_net_that_adds_to_a_smooth_fill_starts_as_that_fill(tmp_path):
    from safetensors.torch import save_file

    net = PConvUNet(SMALL, on_smooth=True).eval()
    rgb = torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(3))
    known = torch.ones(2, 1, 64, 128)
    known[0, :, 20:50, 30:90] = 0
    with torch.inference_mode():
        made = net(rgb, known)
    assert torch.equal(made, smooth(rgb, known)), "its last layer adds nothing yet"
    assert torch.allclose(made[1], rgb[1]) and torch.allclose(made[0, :, :20], rgb[0, :, :20])
    assert float(made[0, :, 20:50, 30:90].std()) < 0.5 * float(rgb[0].std())
    ramp = torch.linspace(0, 1, 128).expand(2, 3, 64, 128)
    off = (smooth(ramp * known, known) - ramp).abs().max()
    assert float(off) < 0.25, "a slope of colour goes on through the hole"
    path = tmp_path / "x.safetensors"
    save_file({k: v.half() for k, v in net.state_dict().items() if v.is_floating_point()}, path)
    model = pconv.load(ENTRY, {"x": path}, "cpu", Control())
    picture, hole = case(70, 130)
    filled = model.fill(picture, hole, Control())
    assert np.array_equal(filled[hole == 0], picture[hole == 0])
    assert not np.allclose(filled[hole > 0], 0.5, atol=0.02), "loaded as what it is"


def test_pconv_refuses_other_weights(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="not PConvUNet"):
        pconv.load(ENTRY, {"x": tmp_path / "x.safetensors"}, "cpu", Control())
