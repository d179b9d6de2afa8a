"""What the backend says reaches the user in the user's language, models by their titles."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from backend.models import catalogue, device  # noqa: E402
from backend.service.errors import without_paths  # noqa: E402
from tests.fake_krita.support import ROOT, application, load  # noqa: E402
from tests.unit.backend_texts import Text, all_texts  # noqa: E402

# What only a client that breaks the protocol, or a caller that breaks a function's contract, is
# told: the plugin sends none of this, so no user reads it.
NEVER_SHOWN = {
    "There is no window.", "This is not the next part of the buffer.",
    "This is outside the buffer.", "There is no such buffer.",
    "A buffer of «0» bytes is not possible.", "Too many buffers are in use; give some back.",
    "The shared window cannot be read.", "The shared window cannot be written.",
    "There is no result: the job is «0».", "There is no such job.",
    "The description of a picture is not complete.", "The note must be bytes.",
    "A piece must be at most «0» bytes.", "Arguments are pairs of a name and a value.",
    "Say hello first.", "Too many pictures are kept in the backend; drop some.",
    "A picture is missing.", "The «0» has «1» bytes, expected «2» × «3».",
    "The «0» must be bytes.", "The picture has «0» bytes, expected «1».",
    "A value of type «0» cannot be sent.", "«0» has not «1» channels.",
    "The previous answer is «0» × «1» pixels, the image «2» × «3».",
    "A click model takes an image of height × width × 3 bytes (RGB).",
    "Expected H×W×3 or H×W×4 pixels, got shape «0».",
    "Text is looked for in H×W×3 uint8 RGB, not «0» «1».",
    "The «0» must be H×W uint8 or bool, not «1» «2».",
    "The trimap must have the picture's size.", "«0» is none of «1»",
    "The mask is «0»×«1» px, the «2» «3»×«4» px: give them in one size.",
}
# Titles that are names, the same in every language.
PROPER = re.compile(
    r"(SAM 2\.1 Hiera|MobileSAM|EfficientSAM|MI-GAN|Big LaMa( \(|$)|Navier–Stokes|PatchMatch$|"
    r"(DeepLabV3|FCN|LRASPP|Mask R-CNN|VGG16|DeepMask|DeepCrop|BiRefNet)[^,:(]*$)"
)
TEXTS = all_texts()


@pytest.fixture
def language(monkeypatch: pytest.MonkeyPatch) -> Any:
    application()
    translate = load("translate")

    def use(name: str) -> None:
        monkeypatch.setattr(translate, "_catalogue", translate.load([name]))

    return use


def unknown(texts: list[Text]) -> list[str]:
    """The texts that no template has, or of which a template loses a value."""
    application()
    match, stages = load("said").match, load("panel").STAGES
    lost = []
    for text in texts:
        if text.stage in stages or text.sample in NEVER_SHOWN.union(stages.values()):
            continue
        values = tuple(f"«{n}»" for n in range(text.sample.count("«")))
        found = match(text.sample)
        if found is None or found[1] != values:
            lost.append(f"{text.where}: {text.sample}")
    return lost


def test_every_text_of_the_backend_has_a_template() -> None:
    assert len(TEXTS) > 150 and {"load", "fill", "people"} <= {text.stage for text in TEXTS}
    assert unknown(TEXTS) == []


def test_a_new_text_without_a_template_is_found() -> None:
    new = Text("somewhere.py:1", "The «0» fell over.")
    assert unknown([*TEXTS, new]) == ["somewhere.py:1: The «0» fell over."]


def test_every_stage_has_a_name_for_the_user() -> None:
    application()
    stages = {text.stage for text in TEXTS if text.stage}
    assert stages <= set(load("panel").STAGES)


def test_no_exception_is_left_over() -> None:
    """A text that has gone from the backend leaves no entry behind."""
    samples = {text.sample for text in TEXTS}
    assert NEVER_SHOWN <= samples


def test_templates_are_translated() -> None:
    application()
    templates = load("said").TEMPLATES
    assert len(set(templates)) == len(templates)
    for name in ("de", "zh"):
        folder = ROOT / "plugin" / "krita" / "cleanplate" / "translations"
        words = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        assert set(templates) <= set(words), name


def test_values_stand_in_their_order() -> None:
    """Which the reading relies on."""
    application()
    for template in load("said").TEMPLATES:
        places = re.findall(r"\{(\d)\}", template)
        assert places == [str(n) for n in range(len(places))], template


def test_the_service_changes_no_text_that_is_to_be_recognised() -> None:
    for text in TEXTS:
        if text.where.startswith("backend/"):
            assert without_paths(text.sample) == text.sample


def test_every_title_of_a_model_is_known() -> None:
    application()
    match = load("said").match
    for entry in catalogue.ENTRIES:
        for title in (entry.title, entry.short):
            assert match(title) or PROPER.match(title), title


def test_short_titles_tell_the_models_of_a_task_apart() -> None:
    for task in catalogue.TASKS:
        names = [entry.short for entry in catalogue.entries(task)]
        assert len(set(names)) == len(names) and all(names), task


def test_devices_are_told_in_the_users_language(language: Any) -> None:
    language("de")
    said = load("said").said
    assert said(device.describe("mps")) == "Apple-GPU (mps)"
    assert said(device.describe("cpu")).startswith("CPU, ")
    language("zh")
    assert said("CPU, 8 threads") == "CPU，8 个线程"
    assert said("NVIDIA H100 (cuda:0)") == "NVIDIA H100 (cuda:0)"


def test_texts_are_translated_with_their_values(language: Any) -> None:
    said = load("said").said
    text = "The GPU ran out of memory: Clean Plate's own people net worked on the CPU."
    assert said(text) == text
    language("de")
    assert said(text) == (
        "Der GPU ging der Speicher aus: Clean Plates eigenes Personennetz hat auf der CPU "
        "gearbeitet."
    )
    assert said("The mask is 4×3 px, the picture 9×9 px: give a mask of the picture's size.") == (
        "„Maske“ hat 4×3 px, das Bild 9×9 px: Eine Maske muss so groß sein wie das Bild."
    )
    several = "Click 3,4: dog: its mask holds the click; cat: the nearest instance to the click."
    assert said(several) == (
        "Klick 3,4: dog: die Maske enthält den Klick; cat: am nächsten beim Klick."
    )
    assert said("Nobody knows this text.") == "Nobody knows this text."


def test_the_more_telling_template_wins(language: Any) -> None:
    application()
    match = load("said").match
    found = match("PSENet ResNet-50 trained on CTW1500 (Wang et al. 2019)")
    assert found == ("PSENet ResNet-50 trained on {0} (Wang et al. 2019)", ("CTW1500",))
    assert match("Loading Big LaMa")[0] == "Loading {0}"
    assert match("Loading ") is None  # a value is never empty


def test_progress_names_the_model_that_is_loaded(language: Any) -> None:
    language("de")
    stage_text = load("panel").stage_text
    assert stage_text("load", "Loading Clean Plate's own click net") == (
        "Clean Plates eigenes Klicknetz wird geladen…"
    )
    assert stage_text("fill", "Filling hole 2 of 7") == "Stelle 2 von 7 wird gefüllt…"
    assert stage_text("fill", "Background ready") == "Hintergrund wird gefüllt…"
    assert stage_text("people", "") == "Personen werden gesucht…"
    assert stage_text("new", "Something else") == "Something else"


def test_reports_name_models_by_their_titles(language: Any) -> None:
    language("de")
    results = load("results")
    report = {
        "models": {"people": "people-builtin", "fill": "fill-patchmatch", "text": "unheard"},
        "titles": {"people-builtin": "Clean Plate's own people net",
                   "fill-patchmatch": "PatchMatch"},
        "device_text": {"cpu": "CPU, 2 threads"},
        "notes": ["GrabCut works on the CPU."],
    }
    assert results.engines(report) == [
        "Modelle: Clean Plates eigenes Personennetz, PatchMatch, unheard, auf CPU, 2 Threads."
    ]
    assert results.notes(report) == ["GrabCut arbeitet auf der CPU."]


def test_errors_are_translated_and_keep_their_english_for_the_report(language: Any) -> None:
    task, client = load("task"), load("client")
    error = client.BackendError("The Clean Plate backend does not answer.", "log line")
    assert task.explained(error) == (error.message, "log line")
    language("de")
    message, details = task.explained(error)
    assert message == "Der Clean-Plate-Hintergrunddienst antwortet nicht."
    assert details == "The Clean Plate backend does not answer.\n\nlog line"


def test_a_message_begins_with_a_capital_and_has_the_languages_decimal_point(
    language: Any,
) -> None:
    results, client = load("results"), load("client")
    report = {"counts": {}, "seconds": {"total": 4.56}}
    reply = client.CleanReply(b"\xff", None, None, b"\xff", b"", True, report, [], [])
    assert results.summary(reply) == ["Removed the marked area in 4.6 s."]
    language("de")
    assert results.summary(reply) == ["Die markierte Fläche in 4,6 s entfernt."]
