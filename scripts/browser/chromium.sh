# Sourced by the checks that need a browser.
# CHROMIUM_PATH: the program that CHROMIUM names, or the first of the usual names that is installed.
for name in "${CHROMIUM:-chromium}" chromium-browser google-chrome; do
    CHROMIUM_PATH=$(command -v "$name") && break
done
[ -n "${CHROMIUM_PATH:-}" ] || { echo "FAILED: there is no chromium on this machine (apt-get install chromium)"; exit 1; }
export CHROMIUM_PATH

# Runs a check, three times at most while the browser itself ends (75) or answers no more within ten minutes (124): that says
# nothing about the page, which a page that does it every time still fails.
in_browser() {
    local tries code
    for tries in 1 2 3; do
        code=0
        "$@" || code=$?
        [ "$code" -eq 75 ] || [ "$code" -eq 124 ] || return "$code"
        echo "the browser ended or answers no more (exit code $code, try $tries of 3)"
    done
    return "$code"
}
