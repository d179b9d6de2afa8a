"""`install.py demo`: stands in for an editor and shows the whole path on one free photo.

`sample.png` is Kodak's photo 12, released by the Eastman Kodak Company for unrestricted usage.
Runs in the backend's environment (Pillow, numpy), never inside an editor.
"""
