import Foundation
import MusterCore
import Testing

@testable import MusterLab

/// Files in memory, by their paths.
struct MemoryFiles: FileTree {
    var paths: Set<String>
    private var folders: [String: Set<String>] = ["": []]
    private var texts: [String: String] = [:]

    /// - Parameter texts: what is in files that are read.
    init(_ paths: [String] = [], texts: [String: String] = [:]) {
        let paths = paths + texts.keys
        self.paths = Set(paths)
        self.texts = texts
        for path in paths {
            var folder = ""
            for part in path.split(separator: "/") {
                folders[folder, default: []].insert(String(part))
                folder = folder.isEmpty ? String(part) : folder + "/" + part
            }
        }
    }

    func kind(of path: String) -> FileKind? {
        if paths.contains(path) { return .file }
        return folders[path] == nil ? nil : .folder(isLink: false)
    }

    func contents(of path: String, limit: Int) -> [UInt8]? { texts[path].map { Array($0.utf8) } }
    func names(in folder: String) -> [String]? { folders[folder].map { Array($0) } }
}

let someFiles = MemoryFiles(
    [
        "tests/login.sh", "tests/upgrade.sh", "tests/deep/er.py", "tests/.hidden.sh", "tests/notes", "app.conf",
        "conf/web.conf", "setup.sh",
    ],
    texts: ["hosts.ini": "[x]\nh\n", "app.conf": "port = 80\n"]
)

func parse(
    _ text: String,
    variables: [String: String] = [:],
    environment: [String: String] = ["HOME": "/u/ana"],
    files: MemoryFiles = someFiles
) throws(LabError) -> Lab {
    try LabParser.parse(text: text, variables: variables, environment: environment, files: files)
}

/// What `muster check` prints for a text that is wrong; empty when it is right.
func complaints(
    _ text: String,
    variables: [String: String] = [:],
    environment: [String: String] = ["HOME": "/u/ana"],
    files: MemoryFiles = someFiles
) -> String {
    do throws(LabError) {
        _ = try parse(text, variables: variables, environment: environment, files: files)
        return ""
    } catch {
        return error.description
    }
}

/// The messages alone.
func messages(_ text: String, variables: [String: String] = [:], files: MemoryFiles = someFiles) -> [String] {
    do throws(LabError) {
        _ = try parse(text, variables: variables, files: files)
        return []
    } catch {
        return error.diagnostics.map(\.message)
    }
}

/// A lab with one group `app` whose provision ends with these lines, indented as steps.
func labWithStep(_ step: String, count: Int = 1, more: String = "") -> String {
    """
    lab: shop
    vars: { colour: "it's red", size: 3 }
    groups:
      db:
        count: 2
        provision: [{ process: {} }]
      app:
        count: \(count)
        provision:
          - process: {}
          - \(step)
    \(more)
    """
}

/// What some work takes of the processor: the same on a busy machine as on an idle one.
func processorTime(_ work: () throws -> Void) rethrows -> Duration {
    func now() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
    let start = now()
    try work()
    return now() - start
}

/// A generator with a seed (SplitMix64), so that a failing case can be repeated.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A lab that uses everything.
let sampleLab = """
    muster: 1
    lab: shop
    keep: on-failure
    parallel: 8
    vars:
      colour: red
      home: ${env.HOME}/x
    groups:
      db: &base
        provision:
          - process: { run: "./fake-db --listen $MUSTER_ADDRESS:5555" }
        ready:
          - tcp: 5555
            within: 30s
          - http: :8080/healthz
          - http: { port: 80, path: /x }
      cache:
        <<: *base
        count: 2
        timeout: 1m
        retry: { times: 2 }
      app:
        count: 3
        needs: { cache: { ready: 1 } }
        provision:
          - process: {}
          - run: ./setup.sh --db ${db.0.address} --colour ${vars.colour}
            name: set up
            retry: { times: 3, every: 2s, backoff: 2 }
            undo: ./unset.sh ${app.1.name}
            timeout: 2m
            when: [{ colour: red }]
          - files: { etc/app.conf: app.conf }
          - files:
              - text: |
                  home=${home}
                  secret=${secret.token}
                to: etc/env
                mode: 0600
        ready:
          - run: test -e x
          - file: etc/env
        on-failure: replace
    tests:
      api:
        where: app
        needs: [db]
        discover: { files: ["tests/*.sh", "tests/**/*.py"] }
        reruns: 2
        order: longest-first
        destructive: ["*/upgrade*"]
        timeout: 5m
        flaky: fail
        before: ./setup.sh
        after: "true"
      smoke:
        where: db
        discover:
          list:
            - { name: ping, run: "ping -c1 ${db.0.address}", timeout: 3s, priority: 2, tags: [fast] }
            - { name: pong, run: "true" }
        order: priority
    results:
      write: [jsonl, junit]
      directory: out
    """
