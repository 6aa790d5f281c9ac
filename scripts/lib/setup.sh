# Shell functions that ./muster and the scripts share: what a build needs, and the build itself. POSIX sh; sourced.
#
# The caller sets `root` (the folder of the checkout) and `program` (the name that messages begin with).
# Everything here is said on standard error: standard output belongs to the program that is started in the end.

# The oldest Swift that the package builds with; Package.swift says the same.
swift_major_min=6
swift_minor_min=2

say() { printf '%s: %s\n' "$program" "$*" >&2; }

# Ends with 2: nothing was started.
give_up() {
    say "$@"
    exit 2
}

# Where builds and logs go. Ends with 2 when it cannot be written.
make_build_folder() {
    mkdir -p "$root/.build" 2>/dev/null && [ -w "$root/.build" ] \
        || give_up "$root/.build cannot be written; make it writable, or use a checkout of your own"
}

# The Debian packages that are missing, each found by what a build really uses.
missing_packages() {
    command -v git >/dev/null 2>&1 || printf 'git '
    # Swift's clang needs the C library, a linker and the C++ headers of the system; g++ brings all three.
    if [ ! -e /usr/include/stdio.h ] || ! ls /usr/include/c++/*/cstddef >/dev/null 2>&1 \
        || ! command -v ld >/dev/null 2>&1; then
        printf 'g++ '
    fi
    [ -e /usr/include/sqlite3.h ] || printf 'libsqlite3-dev '
    [ -e /usr/include/zlib.h ] || printf 'zlib1g-dev '
    # Package names that the caller wants besides, when they are missing.
    for package in "$@"; do
        case $package in
            python3) command -v python3 >/dev/null 2>&1 || printf 'python3 ' ;;
            openssh-server) [ -x /usr/sbin/sshd ] || command -v sshd >/dev/null 2>&1 || printf 'openssh-server ' ;;
            iproute2) command -v ip >/dev/null 2>&1 || [ -x /usr/sbin/ip ] || printf 'iproute2 ' ;;
            qemu-system-x86) command -v qemu-system-x86_64 >/dev/null 2>&1 || printf 'qemu-system-x86 ' ;;
            qemu-utils) command -v qemu-img >/dev/null 2>&1 || printf 'qemu-utils ' ;;
            # What containers are tested with: runc where control groups are not as crun wants them.
            podman | runc | iptables) command -v "$package" >/dev/null 2>&1 || printf '%s ' "$package" ;;
            busybox-static) [ -x /bin/busybox ] || command -v busybox >/dev/null 2>&1 || printf 'busybox-static ' ;;
            netavark) [ -x /usr/lib/podman/netavark ] || [ -x /usr/libexec/podman/netavark ] || printf 'netavark ' ;;
            catatonit)
                [ -x /usr/libexec/podman/catatonit ] || command -v catatonit >/dev/null 2>&1 || printf 'catatonit '
                ;;
            valgrind) command -v valgrind >/dev/null 2>&1 || printf 'valgrind ' ;;
            python3-venv) python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || printf 'python3-venv ' ;;
        esac
    done
}

# Installs what is missing when that is ours to do: as root, on a system with apt. Otherwise says how, and ends with 2.
require_packages() {
    packages=$(missing_packages "$@")
    packages=${packages% }
    [ -n "$packages" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        give_up "these are missing, by their names on Debian: $packages; install them with this system's package tool"
    fi
    if [ "$(id -u)" != 0 ]; then
        say "these system packages are missing: $packages"
        printf '    apt-get install -y --no-install-recommends %s\n' "$packages" >&2
        exit 2
    fi
    say "installing system packages: $packages"
    make_build_folder
    log=$root/.build/apt-get.log
    # A fresh system has no package lists, an old one may have lists of packages that are gone.
    # shellcheck disable=SC2086  # the names are words
    if ! apt_get install $packages >"$log" 2>&1; then
        apt_get update >>"$log" 2>&1 && apt_get install $packages >>"$log" 2>&1 || {
            tail -n 15 "$log" >&2
            give_up "apt-get could not install $packages; the whole log is $log"
        }
    fi
    packages=$(missing_packages "$@")
    [ -z "$packages" ] || give_up "apt-get ended well, but still missing: $packages(log: $log)"
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends "$@" </dev/null; }

# Ends with 2 unless a Swift that is new enough is in PATH.
require_swift() {
    where="install Swift $swift_major_min.$swift_minor_min or newer: https://www.swift.org/install/linux/"
    command -v swift >/dev/null 2>&1 || give_up "no 'swift' in PATH; $where"
    text=$(swift --version 2>/dev/null </dev/null) || give_up "'swift --version' fails; $where"
    version=$(printf '%s\n' "$text" | sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1)
    [ -n "$version" ] || give_up "'swift --version' says no version; $where"
    major=${version%%.*}
    minor=${version#*.}
    if [ "$major" -lt "$swift_major_min" ] \
        || { [ "$major" -eq "$swift_major_min" ] && [ "$minor" -lt "$swift_minor_min" ]; }; then
        give_up "Swift $version at $(command -v swift) is too old; $where"
    fi
}

# Whether standard error is a terminal whose last line can be written again.
on_terminal() { [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; }

# Runs `swift build` with the given arguments; shows how far it is, and everything that the compiler has to say.
# The first argument says what is built, for people. Returns the status of swift.
build() {
    what=$1
    shift
    make_build_folder
    log=$root/.build/build-$$.log
    : >"$log"
    failed=$log.failed
    rm -f "$failed"
    { swift build --package-path "$root" "$@" </dev/null 2>&1 || : >"$failed"; } | show_build "$what"
    if [ -e "$failed" ]; then
        rm -f "$failed"
        say "the build of $what failed; its whole log is $log"
        return 1
    fi
    rm -f "$log"
}

# Reads the output of a build. Steps (`[12/345] Compiling …`) become a line that moves, or one line for each tenth;
# fetching is said once a package; what is left are warnings, errors and their source lines, which pass through.
show_build() {
    shown=-1
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        case $line in
            \[[0-9]*/[0-9]*\]*)
                step=${line#\[}
                step=${step%%\]*}
                done_=${step%/*}
                all=${step#*/}
                case $done_$all in *[!0-9]*) continue ;; esac
                [ "$all" -gt 0 ] || continue
                percent=$((done_ * 100 / all))
                if on_terminal; then
                    printf '\r\033[K%s: building %s %d%% (%s)' "$program" "$1" "$percent" "$step" >&2
                elif [ $((percent / 10)) -gt "$shown" ] && [ "$all" -gt 20 ]; then
                    shown=$((percent / 10))
                    say "building $1 ${shown}0%"
                fi
                ;;
            Fetching\ *)
                on_terminal && printf '\r\033[K' >&2
                say "fetching ${line#Fetching }"
                ;;
            Building\ for\ *|Build\ complete!*|Build\ of\ *|Fetched\ *|Updating\ *|Updated\ *|Computing\ *|Computed\ *) ;;
            Creating\ working\ copy*|Working\ copy\ of*|Planning\ build*|warning:\ *dependency*is\ not\ used*|"") ;;
            *)
                on_terminal && printf '\r\033[K' >&2
                printf '%s\n' "$line" >&2
                ;;
        esac
    done
    on_terminal && printf '\r\033[K' >&2
    return 0
}
