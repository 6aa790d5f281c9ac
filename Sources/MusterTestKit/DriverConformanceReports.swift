import Foundation
import MusterCore
import MusterDrivers

/// What a test says on its control descriptor.
extension DriverConformance {
    static let reportChecks: [Check] = [
        Check("what a test says on its control descriptor is kept byte for byte") { subject in
            let node = try await subject.made()
            var command = shell(
                #"""
                test "$MUSTER_TEST_CONTROL" = "$ATEX_TEST_CONTROL" || exit 9
                printf 'a\377\376\000b\n' >&$MUSTER_TEST_CONTROL
                head -c 300000 /dev/zero >&$MUSTER_TEST_CONTROL
                (printf end >&$MUSTER_TEST_CONTROL) &
                wait
                echo printed
                exit 3
                """#
            )
            command.controlLimit = 1 << 20
            let exit = try await subject.driver.run(command, on: node, operation: operation("said"))
            try equal(exit.status, 3, "the status")
            let wanted = [97, 0xFF, 0xFE, 0, 98, 10] + [UInt8](repeating: 0, count: 300_000) + Array("end".utf8)
            let found = FileManager.default.contents(
                atPath: subject.driver.controlPath(of: operation("said"), on: node)
            )
            try demand(found.map { Array($0) } == wanted, "\(found?.count ?? -1) bytes of \(wanted.count) were kept")
            try equal(try output("said", on: node, subject), "printed\n", "the output")
            try await subject.driver.destroy(node)
        },
        Check("a test that says nothing has no report, and only tests have the descriptor") { subject in
            let node = try await subject.made()
            var command = shell("true")
            command.controlLimit = 1 << 20
            let silent = try await subject.driver.run(command, on: node, operation: operation("silent"))
            try demand(silent.succeeded, "\(silent)")
            let other = try await subject.driver.run(
                shell("test -z \"${MUSTER_TEST_CONTROL-}\" && ! ( : >&3 ) 2>/dev/null"),
                on: node,
                operation: operation("other")
            )
            try demand(other.succeeded, "\(other)")
            for name in ["silent", "other"] {
                let path = subject.driver.controlPath(of: operation(name), on: node)
                let found = FileManager.default.contents(atPath: path) ?? Data()
                try demand(found.isEmpty, "\(name) has said \(found.count) bytes")
            }
            try await subject.driver.destroy(node)
        },
        Check("a test that says that it goes away learns that it was heard") { subject in
            let node = try await subject.made()
            var command = shell(
                #"""
                trap '' PIPE
                printf 'disconnect\n' >&$MUSTER_TEST_CONTROL
                while printf 'noop\n' >&$MUSTER_TEST_CONTROL; do :; done 2>/dev/null
                exit 7
                """#,
                timeout: .seconds(60)
            )
            command.controlLimit = 1 << 20
            let exit = try await subject.driver.run(command, on: node, operation: operation("goes"))
            try equal(exit.status, 7, "the status")
            let path = subject.driver.controlPath(of: operation("goes"), on: node)
            let found = FileManager.default.contents(atPath: path) ?? Data()
            try demand(found.starts(with: Data("disconnect\n".utf8)), "it has said \(found.prefix(40))")
            try await subject.driver.destroy(node)
        },
        Check("a test that tidies up too much holds up no other") { subject in
            let node = try await subject.made()
            for (name, text) in [
                ("first", "true"), ("tidy", "rm -rf \"$MUSTER_NODE_DIR/supervisor.next\""), ("next", "true"),
            ] {
                var command = shell(text)
                command.controlLimit = 1 << 20
                let exit = try await subject.driver.run(command, on: node, operation: operation(name))
                try demand(exit.succeeded, "\(name): \(exit)")
            }
            try await subject.driver.destroy(node)
        },
        Check("a test moves its own deadline") { subject in
            let node = try await subject.made()
            // Enough of nothing that the programs of any machine pass the word on.
            let pad = "yes noop | head -c 16384 >&$MUSTER_TEST_CONTROL"
            for (name, words, seconds, isOver) in [
                ("longer", "duration 40", 2, false), ("added", "noop\\nduration +1m", 2, false),
                ("kept", "duration save\\nduration 1h\\nduration restore", 1, true),
                ("shorter", "duration 1s", 60, true),
            ] {
                let nap = isOver ? 100 : 4
                var command = shell(
                    "printf '\(words)\\n' >&$MUSTER_TEST_CONTROL; \(pad); sleep \(nap)",
                    timeout: .seconds(seconds)
                )
                command.controlLimit = 1 << 20
                let exit = try await subject.driver.run(command, on: node, operation: operation(name))
                try equal(exit.timedOut, isOver, "whether '\(words)' ends it")
            }
            try await subject.driver.destroy(node)
        },
        Check("no more than its limit is kept of what a test says, and the test is told") { subject in
            let node = try await subject.made()
            var command = shell(
                "trap '' PIPE; yes muster | head -c 1000000 >&$MUSTER_TEST_CONTROL 2>/dev/null || exit 5",
                timeout: .seconds(60)
            )
            command.controlLimit = 1 << 14
            _ = try await subject.driver.run(command, on: node, operation: operation("much"))
            let path = subject.driver.controlPath(of: operation("much"), on: node)
            let found = FileManager.default.contents(atPath: path) ?? Data()
            try equal(found.count, 1 << 14, "bytes kept")
            try await subject.driver.destroy(node)
        },
    ]
}
