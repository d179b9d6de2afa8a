"""Clean Plate for Krita: Filter ▸ Clean Plate removes text, people and clicked objects."""

from krita import Krita

from .extension import CleanPlateExtension

Krita.instance().addExtension(CleanPlateExtension(Krita.instance()))
