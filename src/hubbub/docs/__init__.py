"""The pages of `docs/` that are generated from declarations and tables, so that they cannot lie: `python -m hubbub.docs`."""
