import MusterCore
import MusterDrivers

extension DriverConformance {
    static let endChecks: [Check] = [
        Check("a timeout ends every descendant, also one that daemonised and forgot its environment") { subject in
            let node = try await subject.made()
            let nap = uniqueNap()
            let command = shell(
                daemons(nap) + "echo up; exec sleep \(nap)",
                timeout: .seconds(5),
                grace: .milliseconds(100)
            )
            let exit = try await subject.driver.run(command, on: node, operation: operation("late"))
            try demand(exit.timedOut && !exit.interrupted, "\(exit)")
            try equal(exit.error?.code, .timedOut, "the error")
            try equal(try output("late", on: node, subject), "up\n", "how far it came")
            try equal(subject.processes(nap), [], "processes after the timeout")
            try await subject.driver.destroy(node)
        },
        Check("the deadline holds when nobody waits") { subject in
            let node = try await subject.made()
            let nap = uniqueNap()
            let command = shell("echo up > up; sleep \(nap)", timeout: subject.shortTimeout, grace: .zero)
            let task = try await subject.begun(command, "alone", on: node, by: subject.successor())
            task.cancel()
            _ = try? await task.value
            let exit = try await subject.driver.run(command, on: node, operation: operation("alone"))
            try demand(exit.timedOut, "\(exit)")
            try equal(subject.processes(nap), [], "processes after the timeout")
            try await subject.driver.destroy(node)
        },
        Check("ending an operation ends every descendant, also those that ignore TERM") { subject in
            let node = try await subject.made()
            let nap = uniqueNap()
            let command = shell(
                "trap '' TERM; " + daemons(nap) + "(sleep \(nap)) & echo up > up; while :; do sleep \(nap); done"
            )
            let running = try await subject.begun(command, "stubborn", on: node)
            try demand(subject.processes(nap).count >= 4, "only \(subject.processes(nap).count) processes are there")
            try await subject.driver.end(operation("stubborn"), on: node, grace: .milliseconds(50))
            try equal(subject.processes(nap), [], "processes after the end")
            let ended = try await running.value
            try demand(ended.interrupted && !ended.timedOut, "\(ended)")
            try equal(ended.signal, 9, "the signal")
            try equal(ended.error?.code, .cancelled, "the error")
            try await subject.driver.end(operation("stubborn"), on: node, grace: .zero)
            try await subject.driver.destroy(node)
        },
        Check("who ends on TERM is not killed, and the end does not wait for the grace") { subject in
            let node = try await subject.made()
            let command = shell("trap 'exit 9' TERM; echo up > up; while :; do read -r line < hold; done")
            let running = try await subject.begun(command, "gentle", on: node, pipes: "up hold")
            try await subject.driver.end(operation("gentle"), on: node, grace: .seconds(3600))
            let ended = try await running.value
            try equal(ended.status, 9, "the status")
            try demand(ended.interrupted, "\(ended)")
            try await subject.driver.destroy(node)
        },
        Check("an operation that is ended before it starts never runs") { subject in
            let node = try await subject.made()
            try await subject.driver.end(operation("early"), on: node, grace: .zero)
            let exit = try await subject.driver.run(shell("touch ran"), on: node, operation: operation("early"))
            try demand(exit.interrupted, "\(exit)")
            try await subject.sh("test ! -e ran", "look", on: node)
            try await subject.driver.destroy(node)
        },
        Check("what runs on a node is told, its server aside, also to the next conductor") { subject in
            var node = subject.node("told")
            try equal(try await subject.driver.running(on: node), [], "what runs where nothing was made")
            node.facts = try await subject.driver.create(
                node,
                operation: operation("create"),
                server: server("exec sleep \(uniqueNap())")
            )
            try equal(try await subject.driver.running(on: node), [], "what runs beside the server")
            try await subject.sh("mkfifo up", "prepare", on: node)
            let command = shell("echo up > up; exec sleep \(uniqueNap())")
            let place = node
            async let exit = subject.driver.run(command, on: place, operation: operation("told"))
            try await subject.sh("cat up", "see", on: node)
            try equal(try await subject.driver.running(on: node), [operation("told")], "what runs")
            var later = node
            later.tenure = Tenure(node.tenure.epoch + 1)
            try equal(try await subject.successor().running(on: later), [operation("told")], "what runs, to the next")
            try await refused(.refused, "a start by an older conductor") {
                _ = try await subject.driver.run(shell("true"), on: place, operation: operation("older"))
            }
            try await subject.successor().end(operation("told"), on: later, grace: .seconds(60))
            try demand(try await exit.interrupted, "it was not ended")
            try equal(try await subject.successor().running(on: later), [], "what runs after the end")
            try await subject.successor().destroy(later)
            try equal(try await subject.successor().running(on: later), [], "what runs on a node that is gone")
        },
        Check("a bomb of processes is ended") { subject in
            let node = try await subject.made()
            let nap = uniqueNap()
            // Each starts two, five generations deep and over again, and all ignore TERM.
            let bomb = """
                cat > bomb.sh <<'END'
                trap '' TERM
                n=$1
                if [ "$n" -gt 0 ]; then
                  sh bomb.sh $((n - 1)) \(nap) & sh bomb.sh $((n - 1)) \(nap) &
                  [ "$n" = 5 ] && echo up > up
                  while :; do sh bomb.sh 0 \(nap); done
                fi
                exit 0
                END
                exec sh bomb.sh 5 \(nap)
                """
            let running = try await subject.begun(shell(bomb), "bomb", on: node)
            try await subject.driver.end(operation("bomb"), on: node, grace: .milliseconds(100))
            try demand(try await running.value.interrupted, "it was not ended")
            try equal(subject.processes(nap), [], "processes of the bomb")
            try await subject.driver.destroy(node)
        },
        Check("what a test leaves behind is ended and counted") { subject in
            let node = try await subject.made()
            let nap = uniqueNap()
            let exit = try await subject.driver.run(
                shell("sleep \(nap) & sleep \(nap) & exit 4"),
                on: node,
                operation: operation("left")
            )
            try equal(exit.status, 4, "the status")
            try equal(exit.leftovers, 2, "how many were left")
            try equal(subject.processes(nap), [], "processes after the test")
            let daemons = try await subject.driver.run(
                shell("mkfifo all; " + daemons(nap, telling: "all") + "cat all"),
                on: node,
                operation: operation("daemons")
            )
            try demand(daemons.succeeded, "\(daemons)")
            try demand(daemons.leftovers >= 2, "only \(daemons.leftovers) were counted")
            try equal(subject.processes(nap), [], "daemons after the test")
            try await subject.driver.destroy(node)
        },
        Check("what provisioning leaves behind lives on, and the tests after it spare it") { subject in
            let nap = uniqueNap()
            let node = try await subject.made(server: server("exec sleep \(nap)"))
            let exit = try await subject.driver.run(
                shell("sleep \(nap) & setsid env -i sleep \(nap) > /dev/null 2>&1 & exit 0", leftovers: .keep),
                on: node,
                operation: operation("keep")
            )
            try demand(exit.succeeded, "\(exit)")
            try equal(exit.leftovers, 0, "how many were ended")
            try await subject.sh("sleep 0 & exit 0", "test", on: node)
            let other = uniqueNap()
            _ = try await subject.driver.run(shell("sleep \(other) &"), on: node, operation: operation("other"))
            try equal(subject.processes(other), [], "what the test left")
            try equal(subject.processes(nap).count, 3, "what provisioning left, and the server")
            try await subject.driver.end(operation("keep"), on: node, grace: .seconds(60))
            try equal(subject.processes(nap).count, 1, "after the provisioning step was ended")
            try await subject.driver.destroy(node)
            try equal(subject.processes(nap), [], "after the node was destroyed")
        },
    ]

    /// Shell text that starts processes which hide in every way: other sessions, no environment, no output, orphaned.
    private static func daemons(_ nap: String, telling fifo: String? = nil) -> String {
        let tell = fifo.map { "echo x > \($0); " } ?? ""
        return """
            (setsid env -i /bin/sh -c "trap '' TERM; \(tell)sleep \(nap); sleep \(nap)" > /dev/null 2>&1 &)
            (setsid sleep \(nap) > /dev/null 2>&1 &)
            setsid sh -c "(env -i sleep \(nap) > /dev/null 2>&1 &)"

            """
    }
}
