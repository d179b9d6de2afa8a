"""Scores: metrics, tables, contact sheets, and one module per target of `cleanplate evaluate`."""
