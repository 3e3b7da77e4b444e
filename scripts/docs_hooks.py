"""Brings DESIGN.md and CONTRIBUTING.md into the site, and links between them and docs/ with them."""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
# The page of the site, and the file of the repository that it shows.
OUTSIDE = {"design.md": "DESIGN.md", "contributing.md": "CONTRIBUTING.md"}


def on_files(files, config):
    for page, source in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown, page, config, files):
    if page.file.src_uri in OUTSIDE:
        markdown = re.sub(r"\]\(docs/", "](", markdown)
    for target, source in OUTSIDE.items():
        markdown = re.sub(rf"\]\(((?:\.\./)*){source}", lambda found: link(found[1], page, target), markdown)
    return markdown


def link(climb, page, target):
    """A link that climbs out of docs/ stays inside it."""
    depth = page.file.src_uri.count("/")
    return "](" + "../" * min(depth, climb.count("../")) + target
