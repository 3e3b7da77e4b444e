"""Brings DESIGN.md, CONTRIBUTING.md and the notebook into the site, and links between them and docs/ with them."""

import json
import re
from html import escape
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
# The page of the site, and the file of the repository that it shows.
OUTSIDE = {"design.md": "DESIGN.md", "contributing.md": "CONTRIBUTING.md"}


def on_files(files, config):
    for page, source in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for notebook in sorted((ROOT / "docs").glob("notebooks/*.ipynb")):
        page = f"notebooks/{notebook.stem}.md"
        files.append(File.generated(config, page, content=notebook_page(notebook)))
    return files


def notebook_page(path):
    """A notebook as Markdown: its text, its code, and what each cell gave."""
    blocks = []
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            blocks.append(source)
        else:
            blocks.append(f"```python\n{source}\n```")
            blocks += [output_block(output) for output in cell["outputs"]]
    blocks.append(f"[Download this notebook]({path.name})")
    return "\n\n".join(blocks) + "\n"


def output_block(output):
    data = {kind: value if isinstance(value, str) else "".join(value) for kind, value in output.get("data", {}).items()}
    if "image/png" in data:
        return f'<img alt="{escape(data.get("text/plain", ""))}" src="data:image/png;base64,{data["image/png"].strip()}">'
    if "text/html" in data:
        # A blank line would end the block of HTML.
        return re.sub(r"\n\s*\n", "\n", data["text/html"])
    text = "".join(output["text"]) if "text" in output else data["text/plain"]
    return f"```text\n{text.rstrip()}\n```"


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
