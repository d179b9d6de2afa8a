"""`python -m backend` is the command line `cleanplate`."""

from backend.cli import main

raise SystemExit(main())
