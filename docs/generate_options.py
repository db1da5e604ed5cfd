"""Writes docs/options.md from the table of options: `python docs/generate_options.py`."""

from pathlib import Path

from circus_core.config.docs import options_markdown

if __name__ == "__main__":
    Path(__file__).with_name("options.md").write_text(options_markdown(), encoding="utf-8")
