"""Checks what the Markdown files of the repository refer to; prints every broken reference and fails if there is one."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

from markdown.extensions.toc import slugify

ROOT = Path(__file__).resolve().parent.parent
README_LINES = 200
# Paths in backticks are checked when they begin with one of these.
FOLDERS = (
    *("src", "tests", "scripts", "experiments", "dataset", "docs", "migrations", "benches", "examples", "python"),
    *(".ci", ".github"),
)
# A changelog names files that were there once.
HISTORY = {"CHANGELOG.md"}


def files():
    """Every Markdown file that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted(name for name in names if name and (ROOT / name).is_file())


def without_code(text):
    """The lines outside of fenced code, with their numbers."""
    fence = None
    for number, line in enumerate(text.split("\n"), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark:
            fence = None if fence and line.strip().startswith(fence) else fence or mark[1]
        elif fence is None:
            yield number, line


def anchors(path):
    """The anchors of a file's headings; those that GitHub and MkDocs give alike."""
    found = set()
    for _, line in without_code(path.read_text()):
        heading = re.match(r"#+\s+(.*?)\s*#*$", line)
        if heading:
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "")
            github = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            if github == slugify(title, "-"):
                found.add(github)
    return found


def broken_link(source, target):
    """Why a link does not lead anywhere; None if it does."""
    if re.match(r"[a-z]+:", target):
        return None
    name, _, anchor = target.partition("#")
    path = (ROOT / source).parent / unquote(name) if name else ROOT / source
    if not path.exists():
        return f"there is no {name}"
    if not path.resolve().is_relative_to(ROOT):
        return f"{name} is outside of the repository"
    if anchor and path.suffix == ".md" and anchor not in anchors(path):
        return f"{name or source} has no heading #{anchor}"
    return None


def broken_path(span):
    """Why a path of the repository in backticks is wrong; None if it is right, or is no such path."""
    path = span.split(" ")[0].rstrip("/")
    if path.split("/")[0] not in FOLDERS or "/" not in path or re.search(r"[<>*|\\]|NAME|FILE|…|\.\.", path):
        return None
    ignored = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False).returncode == 0
    return None if ignored or (ROOT / path).exists() else f"there is no {path}"


def defines(path, item):
    """Whether a Rust file defines an item, given as `name` or `Type::name`, or a folder has a file that does."""
    sources = path.rglob("*.rs") if path.is_dir() else [path]
    name = re.escape(item.split("::")[-1])
    kinds = r"(?:fn|struct|enum|trait|const|static|type|mod|union|macro_rules!)"
    wanted = re.compile(rf"\b{kinds}\s+{name}\b|^\s+{name}\b\s*(?:[({{,]|=)", re.MULTILINE)
    return any(wanted.search(source.read_text()) for source in sources)


def check(source):
    text = (ROOT / source).read_text()
    for number, line in without_code(text):
        prose = re.sub(r"`[^`]*`", "", line)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            reason = broken_link(source, target)
            if reason:
                yield number, reason
        if source in HISTORY:
            continue
        # A recipe names files that its reader creates.
        named = re.sub(r"[Cc]reate `[^`]+`", "", line)
        for span in re.findall(r"`([^`]+)`", named):
            reason = broken_path(span)
            if reason:
                yield number, reason
            for test, filters in re.findall(r"--test (\w+)((?: --| \w+::)*)", span):
                if not (ROOT / f"tests/{test}.rs").is_file() and not (ROOT / f"tests/{test}/main.rs").is_file():
                    yield number, f"there is no test target {test}"
                for module in re.findall(r"(\w+)::", filters):
                    folder = ROOT / "tests" / test
                    if not (folder / f"{module}.rs").is_file() and not (folder / module / "mod.rs").is_file():
                        yield number, f"there are no tests {test} {module}"
        # `item` (`src/file.rs`) and `src/file.rs` (`item`).
        pairs = [(path, item) for item, path in re.findall(r"`([\w:]+)` \(`(src/[\w/.]+)`", line)]
        pairs += re.findall(r"`(src/[\w/.]+)` \(`([\w:]+)`", line)
        for path, item in pairs:
            if (ROOT / path).exists() and not defines(ROOT / path, item):
                yield number, f"{path} does not define {item}"


def main():
    broken = []
    checked = files()
    if "README.md" not in checked or len(checked) < 20:
        broken.append(f"only {len(checked)} Markdown files were found")
    for source in checked:
        broken += [f"{source}:{number}: {reason}" for number, reason in check(source)]
    lines = len((ROOT / "README.md").read_text().split("\n")) - 1
    if lines > README_LINES:
        broken.append(f"README.md has {lines} lines, more than {README_LINES}")
    for line in broken:
        print(line)
    if broken:
        sys.exit(f"FAILED: {len(broken)} broken references")
    print(f"{len(checked)} Markdown files refer to what is there")


main()
