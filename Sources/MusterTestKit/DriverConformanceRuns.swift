import MusterCore
import MusterDrivers

extension DriverConformance {
    static let runChecks: [Check] = [
        Check("a command's status and times come back") { subject in
            let node = try await subject.made()
            for status in [0, 1, 77, 255] {
                let exit = try await subject.driver.run(
                    shell("exit \(status)"),
                    on: node,
                    operation: operation("exit-\(status)")
                )
                try equal(exit.status, status, "the status")
                try equal(exit.signal, nil, "the signal")
                try equal(exit.succeeded, status == 0, "whether it succeeded")
                try demand(exit.startedAt <= exit.endedAt, "\(exit) ended before it started")
                try demand(exit.startedAt.rawValue > 1_600_000_000_000_000, "\(exit.startedAt) is no time of today")
            }
            try await subject.driver.destroy(node)
        },
        Check("an operation is found again by whoever asks, and nothing is started by asking") { subject in
            let node = try await subject.made(server: server("exec sleep \(uniqueNap())"))
            let next = subject.successor()
            try equal(try await next.status(of: operation("create"), on: node), .running, "the server")
            try equal(try await next.status(of: operation("none"), on: node), .neverStarted, "what nobody started")
            try await refused(.unknown, "waiting for what nobody started") {
                _ = try await next.attach(to: operation("none"), on: node)
            }
            let command = shell("echo up > up; cat go; exit 5")
            let running = try await subject.begun(command, "running", on: node, pipes: "up go")
            try equal(try await next.status(of: operation("running"), on: node), .running, "what runs")
            // Awaited below.
            let attached = Task { try await next.attach(to: operation("running"), on: node) }
            try await subject.sh("echo go > go", "go", on: node)
            let exit = try await running.value
            try equal(exit.status, 5, "the status")
            try equal(try await attached.value, exit, "what somebody else waited for")
            try equal(try await next.status(of: operation("running"), on: node), .ended(exit), "what has ended")
            try equal(try await next.attach(to: operation("running"), on: node), exit, "the end, asked for later")
            try await subject.driver.destroy(node)
        },
        Check("what a lost supervisor has begun is known as far as its records say") { subject in
            let node = try await subject.made()
            try await subject.sh("true", "done", on: node)
            let command = shell("echo up > up; sleep \(uniqueNap())")
            let running = try await subject.begun(command, "running", on: node)
            try await subject.killKeeper(node)
            try await refused(.lost, "a command whose supervisor was killed") { _ = try await running.value }
            let next = subject.successor()
            let done = try await next.status(of: operation("done"), on: node)
            guard case .ended(let exit) = done, exit.status == 0 else {
                throw Failure(description: "the record of what had ended is lost")
            }
            try await refused(.lost, "asking after what was lost") {
                _ = try await next.status(of: operation("running"), on: node)
            }
            try await refused(.lost, "waiting for what was lost") {
                _ = try await next.attach(to: operation("running"), on: node)
            }
            try await subject.driver.destroy(node)
        },
        Check("a signal that nobody of Muster sent comes back") { subject in
            let node = try await subject.made()
            let exit = try await subject.driver.run(shell("kill -9 $$"), on: node, operation: operation("signal"))
            try equal(exit.signal, 9, "the signal")
            try equal(exit.status, nil, "the status")
            try equal(exit.error?.code, .signalled, "the error")
            try await subject.driver.destroy(node)
        },
        Check("a program that cannot be started says why") { subject in
            let node = try await subject.made()
            try await subject.driver.put(
                [
                    script("plain.sh", "#!/bin/sh\nexit 0\n", mode: 0o600),
                    script("lost.sh", "#!/no/such/interpreter -x\nexit 0\n"),
                    script("dos.sh", "#!/bin/sh\r\nexit 0\r\n"),
                    script("bare.sh", "exit 0\n"),
                ],
                on: node
            )
            let folder = subject.place(node)
            let cases: [(String, String)] = [
                ("\(folder)/plain.sh", "not executable"), ("\(folder)/lost.sh", "/no/such/interpreter"),
                ("\(folder)/dos.sh", "carriage return"), ("\(folder)/bare.sh", "first line"),
                ("\(folder)/absent.sh", "is not there"), ("no-such-program-anywhere", "PATH"), ("/", "folder"),
            ]
            for (index, (program, wanted)) in cases.enumerated() {
                let exit = try await subject.driver.run(
                    DriverConformance.program(program),
                    on: node,
                    operation: operation("bad-\(index)")
                )
                guard let sentence = exit.notStarted else { throw Failure(description: "\(program) started: \(exit)") }
                try demand(sentence.contains(wanted), "'\(sentence)' does not say '\(wanted)'")
                try equal(exit.error?.code, .notStarted, "the error")
            }
            try await subject.driver.destroy(node)
        },
        Check("a command has the environment, the folder and the signals that any program expects") { subject in
            let node = try await subject.made()
            var command = shell(
                "env; pwd; grep SigBlk /proc/self/status; sed -n 's/^SigIgn:.//p' /proc/self/status; cat"
            )
            command.environment["GREETING"] = "a 'b' \"c\"\n$d ü"
            let exit = try await subject.driver.run(command, on: node, operation: operation("env"))
            try demand(exit.succeeded, "\(exit)")
            let text = try output("env", on: node, subject)
            for wanted in [
                "GREETING=a 'b' \"c\"\n$d ü\n", "MUSTER_OPERATION=conformance-env\n", subject.place(node) + "\n",
                "MUSTER_ADDRESS=\(node.facts["address"] ?? "?")\n", "SigBlk:\t0000000000000000\n",
            ] {
                try demand(text.contains(wanted), "'\(wanted)' is not in:\n\(text)")
            }
            // The C library keeps two signals above 31 for itself, and gives no way to reset them.
            let ignored = text.split(separator: "\n").last.flatMap { UInt64($0, radix: 16) }
            try equal(ignored.map { $0 & 0x7FFF_FFFF }, 0, "the signals it ignores")
            try await subject.driver.destroy(node)
        },
        Check("an operation runs once, however often it is asked for") { subject in
            let node = try await subject.made()
            let command = shell("echo once >> times; mkfifo go; cat go; exit 5")
            let waiting = shell("mkfifo go; echo once >> times; echo up > up; cat go > /dev/null; exit 5")
            let successor = subject.successor()
            let first = try await subject.begun(waiting, "again", on: node)
            async let second = successor.run(waiting, on: node, operation: operation("again"))
            async let third = subject.driver.run(waiting, on: node, operation: operation("again"))
            try await subject.sh("echo go > go", "go", on: node)
            let exits = try await [first.value, second, third]
            try equal(exits.map(\.status), [5, 5, 5], "the statuses")
            try equal(Set(exits).count, 1, "different ends of one operation")
            let later = try await subject.successor().run(command, on: node, operation: operation("again"))
            try equal(later, exits[0], "what is recorded")
            try await subject.sh("test $(wc -l < times) = 1", "count", on: node)
            try await subject.driver.destroy(node)
        },
        Check("who stops to wait does not end the command") { subject in
            let node = try await subject.made()
            let command = shell("echo up > up; cat go; exit 6")
            let task = try await subject.begun(command, "left", on: node, pipes: "up go")
            task.cancel()
            try await refused(.cancelled, "a wait that was cancelled") { _ = try await task.value }
            async let exit = subject.driver.run(command, on: node, operation: operation("left"))
            try await subject.sh("echo go > go", "go", on: node)
            try equal(try await exit.status, 6, "the status")
            try await subject.driver.destroy(node)
        },
        Check("a command with a zero byte, or without a program, is an error and breaks nothing") { subject in
            let node = try await subject.made()
            try await refused(.unresolved, "a zero byte") {
                _ = try await subject.driver.run(shell("echo a\u{0}b"), on: node, operation: operation("zero"))
            }
            try await refused(.unresolved, "no program") {
                _ = try await subject.driver.run(DriverConformance.program(), on: node, operation: operation("none"))
            }
            let long = String(repeating: "x", count: 3 << 20)
            let exit = try await subject.driver.run(program("true", long), on: node, operation: operation("long"))
            try demand(exit.notStarted?.contains("too long") == true, "\(exit)")
            try await subject.sh("true", "after", on: node)
            try await subject.driver.destroy(node)
        },
    ]

    static func script(_ name: String, _ text: String, mode: UInt16 = 0o755) -> FileContent {
        FileContent(source: .bytes(Array(text.utf8)), to: name, mode: mode)
    }
}
