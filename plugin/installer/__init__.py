"""The parts of install.py: standard library only, Python ≥ 3.8, nothing of the backend."""
