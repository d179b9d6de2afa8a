"""The parts of install.py. Standard library only, Python ≥ 3.8; nothing here imports the backend."""
