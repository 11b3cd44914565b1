#!/usr/bin/env bash
# Prints where Chromium is, for the browser tests. Takes RINGFENCE_CHROMIUM, else an installed one; as root it installs
# Debian's, else it unpacks Debian's packages under .ringfence/tools (nothing outside the checkout is touched).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '%s\n' "$*" >&2; }

folder=$PWD/.ringfence/tools/chromium
unpacked=$folder/run

find_chromium() {
    local candidate
    for candidate in "${RINGFENCE_CHROMIUM:-}" chromium chromium-browser google-chrome "$unpacked"; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

lists_are_here() { compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; }

install_as_root() {
    lists_are_here || apt-get update -qq >&2
    say "Installing Debian's Chromium (for the browser tests)"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >&2
}

# Everything Chromium needs that is not on this machine, unpacked side by side and found through LD_LIBRARY_PATH.
unpack() {
    say "Unpacking Debian's Chromium under .ringfence/tools"
    mkdir -p "$folder/packages" "$folder/root"
    local needed
    needed=$(apt-get install --simulate --no-install-recommends chromium fonts-dejavu-core 2>/dev/null | awk '/^Inst /{print $2}')
    (cd "$folder/packages" && apt-get download $needed >&2)
    local package
    for package in "$folder"/packages/*.deb; do dpkg -x "$package" "$folder/root"; done
    local triplet
    triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
    cat >"$unpacked" <<RUN
#!/usr/bin/env bash
export LD_LIBRARY_PATH=$folder/root/usr/lib/$triplet:$folder/root/lib/$triplet
exec $folder/root/usr/lib/chromium/chromium "\$@"
RUN
    chmod +x "$unpacked"
}

if ! find_chromium; then
    if ! command -v apt-get >/dev/null; then
        say "The browser tests need Chromium: install it, or set RINGFENCE_CHROMIUM=/path/to/chromium."
        exit 1
    fi
    if [ "$(id -u)" = 0 ]; then install_as_root; else unpack; fi
    find_chromium
fi
