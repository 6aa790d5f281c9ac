/// What sees to packages on a node, in POSIX sh: it asks which of them are missing, and installs those.
///
/// It installs only where `MUSTER_PACKAGES` is `install`, which the engine says of machines that are not this host;
/// everywhere else it tells what is missing. Where a test has a control descriptor, a failure is its result.
package enum PackageProgram {
    package static let name = "muster-install"
    /// The variable that says what may be done.
    package static let variable = "MUSTER_PACKAGES"
    package static let installs = "install"
    /// The key in the result of a test that was not set up, and its value: how a test's `result` reads does not
    /// matter then.
    package static let resultKey = "muster"
    package static let resultValue = "not-set-up"

    /// Called with a file that says that it is done (`-` for none), how many of the packages are required, and the
    /// packages, required ones first.
    package static let text = #"""
        #!/bin/sh
        stamp=$1 required=$2
        shift 2
        [ "$stamp" != - ] && [ -e "$stamp" ] && exit 0
        LC_ALL=C DEBIAN_FRONTEND=noninteractive ZYPP_LOCK_TIMEOUT=600
        export LC_ALL DEBIAN_FRONTEND ZYPP_LOCK_TIMEOUT
        fd=${MUSTER_TEST_CONTROL-}

        # Says why the test is not set up, in its result and its output, and ends.
        fail() {
            echo "muster: $1" >&2
            if [ -n "$fd" ]; then
                note=$(printf '%s' "$1" | tr '\n\t' '  ' | tr -cd '\040-\176' | sed 's/["\\]/\\&/g')
                note="{\"status\":\"error\",\"muster\":\"not-set-up\",\"note\":\"$note\"}"
                printf 'result %s\n%s' "${#note}" "$note" >&"$fd"
            fi
            exit 2
        }

        # Whose system it is: that whose packages it has itself. Tools of others may be there, too.
        asks= installs= why=
        if rpm -q rpm; then
            asks=rpm
            for tool in dnf yum microdnf zypper; do
                command -v "$tool" && installs=$tool && break
            done
        elif dpkg-query -W dpkg; then
            asks=dpkg
            command -v apt-get && installs=apt-get
        elif apk info -e apk-tools; then
            asks=apk installs=apk
        elif pacman -T pacman; then
            asks=pacman installs=pacman
        fi >/dev/null 2>&1
        if [ -e "${MUSTER_OSTREE:-/run/ostree-booted}" ]; then
            installs= why='its system is an image, to which nothing can be added: put them into the image'
        elif [ -z "$installs" ]; then
            why='none of dnf, yum, microdnf, zypper, apt-get, apk and pacman is there: use a system that has one'
        fi

        is_there() {
            case $1 in
                /*) [ -e "$1" ] && return 0 ;;
                # Groups and addresses, which cannot be asked for.
                @* | *://*) [ -n "$installed" ]; return ;;
            esac
            case $asks in
                rpm) rpm -q --whatprovides "$1" || rpm -q "$1" ;;
                dpkg)
                    dpkg-query -W -f '${db:Status-Status}\n' "$1" | grep -qx installed ||
                        dpkg-query -W -f '${db:Status-Status}, ${Provides},\n' | grep '^installed,' |
                        grep -qF -e ", $1," -e ", $1 ("
                    ;;
                apk) apk info -e "$1" ;;
                pacman) pacman -T "$1" ;;
                *) false ;;
            esac >/dev/null 2>&1
        }

        run() {
            # What is started by packages must not keep a test's stream open.
            [ -z "$fd" ] || eval "exec $fd>&-"
            case $installs in
                dnf | yum | microdnf) "$installs" -y install "$@" ;;
                zypper) zypper --non-interactive install --auto-agree-with-licenses "$@" ;;
                apt-get) apt-get -y -o DPkg::Lock::Timeout=600 install "$@" ;;
                apk) apk add --no-cache "$@" ;;
                pacman) pacman -S --noconfirm --needed "$@" ;;
            esac
        }

        log= installed=
        install() {
            if [ -z "$log" ]; then
                log=$(mktemp) || fail "no file can be made in ${TMPDIR:-/tmp}: is its disk full?"
                trap 'rm -f "$log"' EXIT
                trap 'exit 143' TERM
                case $installs in
                    apt-get) apt-get -o DPkg::Lock::Timeout=600 update ;;
                    pacman) pacman -Sy ;;
                esac </dev/null >"$log" 2>&1
            fi
            installed=
            (run "$@") </dev/null >>"$log" 2>&1
            code=$?
            [ "$code" != 0 ] || installed=yes
            # yum is content when one of several is there.
            [ "$code" != 0 ] || [ "$installs" = yum ] || return 0
            for package; do is_there "$package" || return 1; done
        }

        # Of all packages those that are missing, the required ones still first.
        count=$# at=0 wanted=0 names=
        while [ "$at" -lt "$count" ]; do
            package=$1
            at=$((at + 1))
            shift
            is_there "$package" && continue
            if [ "$at" -le "$required" ]; then
                wanted=$((wanted + 1))
                names="$names $package"
            fi
            set -- "$@" "$package"
        done
        may=no
        if [ "${MUSTER_PACKAGES-}" != install ]; then
            # Where nobody can be asked nothing is known to be missing.
            [ -n "$asks" ] || exit 0
        elif [ -n "$installs" ] && [ "$(id -u)" = 0 ]; then
            may=yes
        fi

        if [ "$wanted" -gt 0 ] && [ "$may" = no ]; then
            what="required packages are missing:$names;"
            if [ "${MUSTER_PACKAGES-}" != install ]; then
                what="$what this node is a process of your own host, where Muster installs nothing:"
                what="$what do so yourself${installs:+, by '$installs install'},"
                fail "$what or run the tests on machines (podman, qemu, ssh)"
            fi
            [ -z "$why" ] || fail "$what they cannot be installed, as $why"
            fail "$what $installs needs root to install them, and this is $(id -un): have the node entered as root"
        fi

        if [ "$may" = yes ] && [ $# -gt 0 ] && [ -n "$fd" ]; then
            # It is not the test that takes this time.
            printf 'duration save\nduration 1h\n' >&"$fd"
        fi
        at=0 count=$#
        if [ "$wanted" -gt 0 ]; then
            first() {
                most=$1 at=0
                shift
                for package; do
                    at=$((at + 1))
                    shift
                    [ "$at" -gt "$most" ] || set -- "$@" "$package"
                done
                install "$@"
            }
            if ! first "$wanted" "$@"; then
                cat "$log"
                said=$(grep '[^[:space:]]' "$log" | tail -n 5 | cut -c 1-200 | sed '$!s,$, /,')
                fail "required packages could not be installed:$names; $installs ended with $code: $said"
            fi
            echo "muster: installed by $installs:$names"
        fi
        at=0
        for package; do
            at=$((at + 1))
            [ "$at" -gt "$wanted" ] || continue
            if [ "$may" = yes ] && install "$package"; then
                echo "muster: installed by $installs: $package"
            else
                echo "muster: goes on without $package, which is recommended and not there"
            fi
        done
        if [ "$may" = yes ] && [ $# -gt 0 ] && [ -n "$fd" ]; then
            printf 'duration restore\n' >&"$fd"
        fi
        [ "$stamp" = - ] || { mkdir -p -- "${stamp%/*}" && : >"$stamp"; }
        exit 0

        """#
}
