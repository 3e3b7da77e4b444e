#!/usr/bin/env bash
# Opens reports in a headless Chromium: no console error, no network request, sorting, filtering, tooltips, light and dark,
# and no horizontal overflow at 1280 and 400 pixels. scripts/check-report-browser.sh SCREENSHOT_FOLDER REPORT.html...
# Needs chromium (CHROMIUM names another) and python3; nothing else is installed or downloaded.
set -euo pipefail
source "$(dirname "$0")/browser/chromium.sh"
in_browser python3 "$(dirname "$0")/check_report_browser.py" "$CHROMIUM_PATH" "$@"
