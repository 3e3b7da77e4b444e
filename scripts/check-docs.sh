#!/usr/bin/env bash
# Checks the documentation: links and anchors between Markdown files, files and items of the code that they name, tests that
# CONTRIBUTING names; then builds the site with MkDocs in strict mode.
#
#   scripts/check-docs.sh [SITE_FOLDER]   # the site goes to a temporary folder, or to this one
#   scripts/check-docs.sh --serve         # shows the site on a local port
#
# Needs python3. MkDocs is installed into a cache folder (BURSTLAB_DOCS_VENV names another one).
set -euo pipefail
site=
if [ -n "${1:-}" ] && [ "$1" != --serve ]; then site=$(realpath -m "$1"); fi
cd "$(dirname "$0")/.."
packages=(mkdocs==1.6.1 mkdocs-material==9.8.2)
venv=${BURSTLAB_DOCS_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/burstlab/docs-venv}
if [ "$(cat "$venv/packages" 2> /dev/null)" != "${packages[*]}" ]; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
    echo "${packages[*]}" > "$venv/packages"
fi
# Material announces its successor on every build otherwise.
export NO_MKDOCS_2_WARNING=1 PYTHONDONTWRITEBYTECODE=1
if [ "${1:-}" = --serve ]; then
    exec "$venv/bin/mkdocs" serve
fi
"$venv/bin/python" scripts/check_docs.py
if [ -z "$site" ]; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
fi
# Not --quiet: that silences the warnings before --strict counts them.
if ! log=$("$venv/bin/mkdocs" build --strict --clean --site-dir "$site" 2>&1); then
    echo "$log"
    exit 1
fi
echo "the site has $(find "$site" -name index.html | wc -l) pages"
