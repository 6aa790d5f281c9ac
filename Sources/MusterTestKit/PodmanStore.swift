import Foundation
package import MusterCore

/// A store of containers for the tests of this program alone: its own images, network and settings. It goes with the
/// program, with all that is in it.
package final class PodmanStore: Sendable {
    package let folder: String
    /// The program that drivers are given.
    package let podman: [String]
    /// Holds the store's end back.
    private let leash: Int32

    /// Nothing but busybox.
    package static let image = "localhost/muster-test:plain"
    /// The same with a program, which prints and then waits.
    package static let serving = "localhost/muster-test:serving"
    /// The same, healthy as soon as there is a file `/ok`.
    package static let healthy = "localhost/muster-test:healthy"
    package static let network = "muster-test"

    /// One for all tests; a sentence where there can be none.
    package static let shared: Result<PodmanStore, StepError> = {
        do throws(StepError) { return .success(try PodmanStore()) } catch { return .failure(error) }
    }()

    /// Why there is none here; nil when there is one.
    package static var absence: String? {
        switch shared {
        case .success: nil
        case .failure(let error): error.message
        }
    }

    /// Why a user who is not root has none here; nil when one has.
    package static var rootlessAbsence: String? {
        guard case .success(let store) = shared else { return absence }
        if FileManager.default.fileExists(atPath: "\(store.folder)/rootless/works") { return nil }
        let log = FileManager.default.contents(atPath: "\(store.folder)/rootless.log") ?? Data()
        return "podman cannot run containers of another user here: \(String(decoding: log.suffix(300), as: UTF8.self))"
    }

    /// Starts the program that its arguments name as a user who is not root and has a store with the image `image`.
    package var asUser: String { "\(folder)/rootless/as" }

    private static let busybox = ["/bin/busybox", "/usr/bin/busybox"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    private init() throws(StepError) {
        for program in ["/usr/bin/podman", "/usr/local/bin/podman"] where access(program, X_OK) == 0 {
            guard let busybox = Self.busybox else { throw StepError(.file, "no busybox is here: busybox-static") }
            folder = try TestFolder.make("podman")
            podman = ["\(folder)/podman"]
            let log = "\(folder)/log"
            guard
                Self.wait(for: try Self.spawn(["-c", Self.preparation, "sh", folder, program, busybox], nil, log)) == 0
            else {
                let said = FileManager.default.contents(atPath: log).map {
                    String(decoding: $0.suffix(500), as: UTF8.self)
                }
                _ = Self.wait(for: try Self.spawn(["-c", Self.end, "sh", folder], nil, "/dev/null"))
                throw StepError(.refused, "podman cannot run containers here: \(said ?? "it says nothing")")
            }
            var ends: [Int32] = [-1, -1]
            let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw StepError(.refused, "no pipe can be made") }
            _ = try Self.spawn(["-c", "cat >/dev/null; " + Self.end, "sh", folder], ends[0], "/dev/null")
            close(ends[0])
            leash = ends[1]
            return
        }
        throw StepError(.file, "no podman is installed here: podman")
    }

    /// Images, a network, and the first way of running containers that this host allows: `crun` wants other control
    /// groups than some hosts have, and some may not raise limits.
    private static let preparation = #"""
        set -eu
        folder=$1 program=$2 busybox=$3
        cd "$folder"
        mkdir -p rootfs/bin rootfs/tmp rootfs/etc
        chmod 1777 rootfs/tmp
        cp "$busybox" rootfs/bin/busybox
        for applet in $("$busybox" --list); do [ $applet = busybox ] || ln -s busybox rootfs/bin/$applet; done
        printf 'root:x:0:0:root:/:/bin/sh\nana:x:1000:1000:ana:/tmp:/bin/sh\n' >rootfs/etc/passwd
        cat >podman <<END
        #!/bin/sh
        export CONTAINERS_CONF=$folder/containers.conf
        store="--root $folder/root --runroot $folder/run --tmpdir $folder/tmp"
        exec $program \$store --network-config-dir $folder/net "\$@"
        END
        chmod 755 podman
        printf 'FROM scratch\nCOPY rootfs /\n' >plain
        printf '%s\n' 'FROM localhost/muster-test:plain' \
            'CMD ["sh", "-c", "echo hello; echo $GREETING; exec sleep 86400"]' >serving
        printf 'FROM localhost/muster-test:serving\nHEALTHCHECK --interval=1h CMD test -e /ok\n' >healthy
        works=no
        for backend in netavark cni; do
            for runtime in crun runc; do
                command -v $runtime >/dev/null || continue
                rm -rf net
                cat >containers.conf <<END
        [engine]
        runtime = "$runtime"
        lock_type = "file"
        [network]
        network_backend = "$backend"
        END
                for image in plain serving healthy; do
                    ./podman image exists localhost/muster-test:$image ||
                        ./podman build --format docker --quiet --tag localhost/muster-test:$image --file $image . ||
                        continue 2
                done
                ./podman network create --disable-dns muster-test || continue
                # A limit that cannot be raised is for the driver to get round.
                ./podman run --rm --ulimit nofile=512:512 --ulimit nproc=512:512 --network muster-test \
                    localhost/muster-test:plain true || continue
                works=yes
                break 2
            done
        done
        # The same for nobody, who may map no other users: files of one owner and the host's network will do.
        rootless() {
            mkdir -p rootless/run && cp containers.conf rootless/ && chmod 711 . || return 1
            cat >rootless/as <<END
        #!/bin/sh
        export HOME=$folder/rootless XDG_RUNTIME_DIR=$folder/rootless/run STORAGE_DRIVER=vfs
        export CONTAINERS_CONF=$folder/rootless/containers.conf
        exec setpriv --reuid=65534 --regid=65534 --clear-groups "\$@"
        END
            chmod 755 rootless/as
            ./podman image save --quiet --output rootless/image.tar localhost/muster-test:plain || return 1
            chown -R 65534:65534 rootless && chmod 700 rootless/run && cd rootless || return 1
            ./as $program load --quiet --input image.tar &&
                ./as $program run --rm --network host --ulimit nofile=512:512 --ulimit nproc=512:512 \
                    localhost/muster-test:plain true
        }
        if [ $works = yes ] && (rootless) >rootless.log 2>&1; then : >rootless/works; fi
        rm -rf rootfs
        [ $works = yes ]
        """#

    private static let end = #"""
        cd "$1" || exit
        if [ -x rootless/as ]; then
            (cd rootless && ./as podman rm --force --all --time 0)
            # What holds that user's namespaces ends with the store.
            kill "$(cat rootless/run/libpod/tmp/pause.pid)"
        fi
        ./podman rm --force --all --time 0
        ./podman network rm --force muster-test
        umount root/overlay || umount -l root/overlay
        cd /
        rm -rf "$1"
        """#

    private static func spawn(_ arguments: [String], _ input: Int32?, _ output: String) throws(StepError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input { posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        let strings: [UnsafeMutablePointer<CChar>?] = (["/bin/sh"] + arguments).map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/bin/sh", &actions, nil, strings, environ)
        guard code == 0 else { throw StepError(.refused, "/bin/sh: \(String(cString: strerror(code)))") }
        return pid
    }

    private static func wait(for pid: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status
    }
}
