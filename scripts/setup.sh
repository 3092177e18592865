#!/usr/bin/env bash
# Sets up all that `make demo` and `make test` need: system packages, .venv, the package with all its extras.
# Quick when that has been done. Needs no terminal and asks nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null
export PATH="$PATH:/usr/sbin:/sbin"

VENV=.venv
STAMP=$VENV/.setup
LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
MODES=/usr/share/apertium/modes

# What must be there, and the packages that bring it: the first one apt knows is taken.
NEEDS=(
    "program ffmpeg ffmpeg"
    "program ffprobe ffmpeg"
    "program apertium apertium"
    "file $MODES/eng-spa.mode apertium-eng-spa"
    "file $MODES/eng-cat.mode apertium-eng-cat"
    "file $MODES/en-gl.mode apertium-en-gl"
    "file $MODES/en-eo.mode apertium-eo-en"
    # Subtitles drawn into the picture: what finds fonts, and one with Chinese, Japanese and Korean in it.
    "program fc-list fontconfig"
    "file /usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc fonts-noto-cjk"
    # OpenCV, which mediapipe brings, is linked against these two.
    "library libGL.so.1 libgl1"
    "library libgthread-2.0.so.0 libglib2.0-0t64 libglib2.0-0"
)
# A test opens the report's page in it. Ubuntu has it only as a snap, which needs a daemon and cannot see the test's files:
# the test is skipped there, unless another Chromium is found.
if grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
    NEEDS+=("program chromium chromium")
fi

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$@"
    exit 1
}

# Whether a need is met, judged by what is there and not by the package manager's books.
present() {
    case $1 in
        program) command -v "$2" >/dev/null ;;
        file) [[ -e $2 ]] ;;
        library) ldconfig -p | grep -F "$2 " >/dev/null ;;
    esac
}

# The first Python 3.12 or 3.11 that runs: the shim of a version manager may be there and refuse to.
find_python() {
    local candidate
    for candidate in python3.12 python3.11 python3 /usr/bin/python3.12 /usr/bin/python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# One line of packages, alternatives side by side, for each need that is not met.
missing() {
    local need kind name packages python
    for need in "${NEEDS[@]}"; do
        read -r kind name packages <<<"$need"
        present "$kind" "$name" || echo "$packages"
    done
    if ! python=$(find_python); then
        echo "python3.12-venv python3.11-venv"
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
    fi
}

known() { apt-cache show --no-all-versions "$1" 2>/dev/null | grep '^Filename:' >/dev/null; }

# Reads lines of alternatives; writes for each the first package apt knows, or the last.
choose() {
    local line package
    while read -r line; do
        for package in $line; do
            ! known "$package" || break
        done
        echo "$package"
    done
}

all_known() {
    local package
    for package in "$@"; do known "$package" || return 1; done
}

apt() { "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >>"$LOG" 2>&1; }
apt_install() { apt install -y --no-install-recommends "$@"; }

system_packages() {
    local lines packages
    lines=$(missing | sort -u)
    [[ -n $lines ]] || return 0
    command -v apt-get >/dev/null || fail "not Debian or Ubuntu. Install what these packages bring, then run this again: ${lines//$'\n'/, }"
    if (($(id -u) == 0)); then
        AS_ROOT=()
    elif sudo -n true 2>/dev/null; then
        AS_ROOT=(sudo -n)
    else
        mapfile -t packages < <(choose <<<"$lines")
        say "system packages are missing, and only root may install them. Run this line, then try again:"
        echo "sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
        exit 1
    fi
    mapfile -t packages < <(choose <<<"$lines")
    if ! all_known "${packages[@]}"; then
        apt update || true
        mapfile -t packages < <(choose <<<"$lines")
    fi
    say "installing system packages: ${packages[*]}"
    # Package lists that are out of date name files that are gone: read them again, once.
    apt_install "${packages[@]}" || { apt update && apt_install "${packages[@]}"; } || {
        tail -n 20 "$LOG" >&2
        fail "apt-get could not install the system packages."
    }
}

python_packages() {
    local python
    if ! "$VENV/bin/python" -c 'import pip, sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then
        python=$(find_python) || fail "no Python 3.11 or 3.12 that runs. Install one, then run this again."
        say "making $VENV with $("$python" --version)"
        "$python" -m venv --clear "$VENV"
    fi
    say "installing Python packages into $VENV (minutes; several GB where torch brings CUDA)"
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --no-input --progress-bar off --root-user-action ignore -e '.[neural,dev]'
}

[[ $(uname -s) == Linux ]] || fail "loc runs on Linux only; this is $(uname -s)."
system_packages
wanted=$({ cat pyproject.toml scripts/setup.sh; pwd; } | sha256sum)
if [[ ! -x $VENV/bin/loc || $(cat "$STAMP" 2>/dev/null) != "$wanted" ]]; then
    python_packages
    echo "$wanted" >"$STAMP"
    say "done"
fi
