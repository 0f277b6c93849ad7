# Functions that the suites share. A suite reads this file at its beginning.

step() { printf '\n== %s\n' "$*"; }

fail() {
    echo "tests/run ${0##*/}: $*" >&2
    exit 1
}

# Arguments: a program, and the command that installs it.
need() {
    command -v "$1" >/dev/null || fail "\`$1\` is needed; install it with \`$2\`."
}

# Prints the first shell line below a marker in the README, so that CI tests the commands that the README promises.
readme_command() {
    local line
    line=$(awk -v marker="<!-- command: $1 -->" '$0 == marker { getline; getline; print; exit }' README.md)
    [ -n "$line" ] || fail "README.md names no command \"$1\""
    echo "$line"
}

# Sets the array `nightly` to a cargo that accepts unstable flags: that of the nightly toolchain, or else a stable one,
# which accepts them with this variable.
find_nightly() {
    nightly=(cargo +nightly)
    cargo +nightly --version >/dev/null 2>&1 || nightly=(env RUSTC_BOOTSTRAP=1 cargo)
}

host_triple() { rustc -vV | sed -n 's/^host: //p'; }
