import MusterCore
import MusterDrivers

extension DriverConformance {
    static let fileChecks: [Check] = [
        Check("files are put with content and mode, also over old ones and into new folders") { subject in
            let node = try await subject.made()
            let files = [
                script("run.sh", "#!/bin/sh\nexit 12\n"),
                FileContent(source: .bytes([]), to: "etc/app/empty", mode: 0o640),
                FileContent(source: .path("/proc/self/status"), to: "etc/copied", mode: 0o600),
            ]
            try await subject.driver.put(files, on: node)
            try await subject.driver.put(files, on: node)
            let exit = try await subject.driver.run(
                program(subject.place(node) + "/run.sh"),
                on: node,
                operation: operation("run")
            )
            try equal(exit.status, 12, "the status of a script that was put")
            try await subject.sh(
                "test -e etc/app/empty && ! test -s etc/app/empty && grep -q Name: etc/copied && "
                    + "test $(stat -c %a etc/app/empty) = 640 && test $(ls -A etc | wc -l) = 2",
                "look",
                on: node
            )
            try await subject.driver.destroy(node)
        },
        Check("no file is put outside of the node's folder, or over what the supervisor keeps") { subject in
            let node = try await subject.made()
            try await subject.sh(
                "mkdir ../outside in && echo theirs > ../outside/file && ln -s ../outside out && ln -s .. up && "
                    + "ln -s ../../outside/file in/link",
                "links",
                on: node
            )
            let bad = [
                "../escaped", "\(subject.place(node))/escaped", "in/../../escaped", "out/escaped", "out/file",
                "up/escaped",
                "", ".", "in/", "a//b",
                "supervisor.sock", "op-x/exit", "supervisor.json",
            ]
            for path in bad {
                try await refused(.file, "putting '\(path)'") {
                    try await subject.driver.put([script(path, "bad")], on: node)
                }
            }
            // A link in the place of the file itself is replaced, not followed.
            try await subject.driver.put([script("in/link", "mine")], on: node)
            try await subject.sh(
                "test $(ls ../outside) = file && test $(cat ../outside/file) = theirs && ! test -e ../escaped && "
                    + "! test -e escaped && ! test -L in/link && test $(cat in/link) = mine",
                "look",
                on: node
            )
            try await refused(.file, "a source that is not there") {
                try await subject.driver.put(
                    [FileContent(source: .path("/no/such/file"), to: "x", mode: 0o600)],
                    on: node
                )
            }
            try await subject.sh("test $(ls -A | grep -c muster-part) = 0", "drafts", on: node)
            try await subject.driver.destroy(node)
        },
        Check("a file probe sees files of the node only") { subject in
            let node = try await subject.made()
            let within = Duration.seconds(5)
            try await refused(.notReady, "a file that is not there") {
                try await subject.driver.probe(.file("run/ready"), on: node, within: within)
            }
            try await subject.sh("mkdir run && touch run/ready && ln -s /etc run/out", "make", on: node)
            try await subject.driver.probe(.file("run/ready"), on: node, within: within)
            for (path, code) in [("run/out/passwd", StepError.Code.notReady), ("../x", .file), ("/etc/passwd", .file)] {
                try await refused(code, "a probe of '\(path)'") {
                    try await subject.driver.probe(.file(path), on: node, within: within)
                }
            }
            try await subject.driver.destroy(node)
        },
        Check("a tcp probe asks whether something listens at the node's address") { subject in
            let node = try await subject.made()
            let other = try await subject.made("other")
            let port = try subject.serve(node.facts["address"] ?? "", "hello")
            try await subject.driver.probe(.tcp(port: port), on: node, within: .seconds(5))
            let error = try await refused(.notReady, "a port where nobody listens") {
                try await subject.driver.probe(.tcp(port: port), on: other, within: .seconds(5))
            }
            try demand(error.message.contains("\(port)"), "'\(error)' does not name the port")
            try await subject.driver.destroy(node)
            try await subject.driver.destroy(other)
        },
        Check("an http probe takes 2xx and 3xx for yes, and says what else was answered") { subject in
            let node = try await subject.made()
            let address = node.facts["address"] ?? ""
            func answer(_ status: String, _ rest: String = "Content-Length: 0\r\n\r\n") throws -> ReadyCondition.Probe {
                .http(port: try subject.serve(address, "HTTP/1.1 \(status)\r\n\(rest)"), path: "/ready?a=b")
            }
            for status in ["200 OK", "204 No Content", "301 Moved", "302 Found"] {
                try await subject.driver.probe(try answer(status), on: node, within: .seconds(60))
            }
            for (status, wanted) in [("404 Not Found", "404"), ("503 Busy", "503")] {
                let error = try await refused(.notReady, status) {
                    try await subject.driver.probe(try answer(status), on: node, within: .seconds(60))
                }
                try demand(error.message.contains(wanted), "'\(error)' does not say \(wanted)")
            }
            let garbage = ReadyCondition.Probe.http(port: try subject.serve(address, "SSH-2.0-x\r\n"), path: "/")
            try await refused(.notReady, "an answer that is no HTTP") {
                try await subject.driver.probe(garbage, on: node, within: .seconds(60))
            }
            let endless = "X-A: " + String(repeating: "a", count: 70_000)
            try await refused(.notReady, "an endless answer") {
                try await subject.driver.probe(try answer("200 OK", endless), on: node, within: .seconds(5))
            }
            try await refused(.notReady, "no path") {
                try await subject.driver.probe(.http(port: 1, path: "x y"), on: node, within: .seconds(5))
            }
            try await subject.driver.destroy(node)
        },
    ]
}
