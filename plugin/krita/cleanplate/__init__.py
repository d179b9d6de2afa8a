"""Clean Plate for Krita: Filter ▸ Clean Plate removes text, people and clicked objects."""

from krita import Krita

from . import docker
from .extension import CleanPlateExtension

_extension = CleanPlateExtension(Krita.instance())
Krita.instance().addExtension(_extension)
docker.register(_extension)
