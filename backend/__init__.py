"""Clean Plate's backend: image → masks → hole → plate → layers. Importing it loads no torch."""

__version__ = "0.1.0"
