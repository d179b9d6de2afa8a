"""The plugin's PyQt6 path is tested with the real PyQt6, wherever it can be loaded."""

from __future__ import annotations

import importlib.metadata
import shutil

import pytest


def test_pyqt6_is_never_skipped_where_krita_runs() -> None:
    """Krita's packages bring all that Qt loads. So there the other files' `importorskip` must not
    hide a PyQt6 that is missing or broken."""
    if shutil.which("krita") is None:
        pytest.skip("no Krita here, so the libraries that PyQt6 loads may be missing, too")
    from PyQt6 import QtCore, QtWidgets

    from tests.fake_krita.support import application, load

    assert importlib.metadata.version("PyQt6").startswith("6.")
    assert isinstance(application(), QtWidgets.QApplication)
    qt = load("qt")
    assert qt.QT6 and qt.QtCore is QtCore, "the plugin's Qt is PyQt6 here"
