# Sourced by the checks that need a browser.
# CHROMIUM_PATH: the program that CHROMIUM names, or the first of the usual names that is installed.
for name in "${CHROMIUM:-chromium}" chromium-browser google-chrome; do
    CHROMIUM_PATH=$(command -v "$name") && break
done
[ -n "${CHROMIUM_PATH:-}" ] || { echo "FAILED: there is no chromium on this machine (apt-get install chromium)"; exit 1; }
export CHROMIUM_PATH

# Runs a check for ten minutes at most, and up to three times while the browser itself ends (75) or stops answering (124, or 137
# where node or python does too): that says nothing about the page. A page that does it every time still fails.
in_browser() {
    local tries code
    for tries in 1 2 3; do
        code=0
        timeout --foreground --kill-after=10 600 "$@" || code=$?
        case $code in
            75 | 124 | 137) echo "the browser ended or stopped answering (exit code $code, try $tries of 3)" ;;
            *) return "$code" ;;
        esac
    done
    return "$code"
}
