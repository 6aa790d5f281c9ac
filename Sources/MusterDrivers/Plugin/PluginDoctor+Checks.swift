import Foundation
import MusterCore
import MusterSupervision
import Synchronization

/// The demands on every plug-in.
extension PluginDoctor {
    static let checks: [Check] = lookChecks + makeChecks + connectChecks + powerChecks + endChecks

    private static let lookChecks: [Check] = [
        Check(
            "it starts, and describes itself",
            advice: "answer 'describe' with format 1, a name, and the requests that it knows"
        ) { try await $0.describe() },
        Check(
            "a request that it does not know is refused",
            advice: "answer any other request with an error of code 'unsupported'"
        ) { doctor in
            do throws(StepError) {
                _ = try await doctor.program.ask(
                    PluginRequest(
                        verb: .unheardOf,
                        id: "doctor",
                        state: doctor.stateName,
                        timeout: doctor.machine.timeout
                    )
                )
            } catch {
                try doctor.demand(error.code == .refused, error.message)
                return
            }
            throw Complaint(what: "it says that 'no-such-request' was done")
        },
        Check(
            "nothing is done for a request that was cut off",
            advice: "read the whole line from standard input before anything else, and end when it does not come: "
                + "whoever sent it was killed"
        ) { doctor in
            let request = try doctor.request(.create, 1)
            let end = try? await PluginProcess.run(
                PluginProcess.Request(
                    arguments: doctor.program.command,
                    environment: request.environment.merging([PluginProcess.mark: request.id]) { $1 },
                    keepsVariable: { !PluginRequest.isReserved($0) },
                    folder: doctor.program.folder,
                    input: [.bytes(Array(request.line.dropLast(9)))],
                    within: min(doctor.machine.timeout, .seconds(20)),
                    endsDescendants: true,
                    mark: request.id,
                    onOutput: { _ in true }
                )
            )
            try doctor.demand(end?.stop == nil, "it goes on when its input has ended")
            try await doctor.demandList([], "after a create that was cut off")
        },
        Check(
            "a state without machines has none",
            advice: "answer 'list' with the machines whose label muster.state is the request's, and with no others"
        ) { try await $0.demandList([], "at the beginning") },
        Check(
            "what was never made is gone, and may be destroyed",
            advice: "answer 'inspect' with the state 'gone', and 'destroy' with ok, for a machine that is not there"
        ) { doctor in
            let found = try await doctor.inspect(1)
            try doctor.demand(found == .gone, "inspect says '\(found.rawValue)'")
            try await doctor.ask(.destroy, 1, operation: "destroy")
        },
    ]

    private static let makeChecks: [Check] = [
        Check(
            "create makes a machine",
            advice: "answer 'create' with the machine's address, and with 'connect' where it runs commands"
        ) { doctor in
            try await doctor.create(1)
            try await doctor.demandList([1], "after a create")
        },
        Check(
            "asked again, create finds what it made",
            advice: "look for the machine by its name, or its labels, before making one; answer the same as before"
        ) { doctor in
            let first = try await doctor.create(1)
            let again = try await doctor.create(1)
            try doctor.demand(first == again, "the second answer differs: \(again) instead of \(first)")
            // A step that is tried once more has another operation.
            let other = try await doctor.create(1, operation: "create-2")
            try doctor.demand(
                first.address == other.address,
                "a later try is at \(other.address), not \(first.address)"
            )
            try await doctor.demandList([1], "after four creates of one machine")
        },
        Check(
            "list says the labels",
            advice: "keep the request's 'labels' with the machine from the beginning, and say them in 'list'"
        ) { doctor in
            guard let found = try await doctor.list().first else { throw Complaint(what: "list says no machine") }
            let wanted = try doctor.request(.create, 1).labels
            for (name, value) in wanted.sorted(by: { $0.key < $1.key }) {
                try doctor.demand(
                    found.labels[name] == value,
                    "the label \(name) is \(found.labels[name].map { "'\($0)'" } ?? "not there"), not '\(value)'"
                )
            }
        },
        Check(
            "another state does not see it",
            advice: "say in 'list' only machines whose label muster.state is the request's, compared whole"
        ) { doctor in
            for name in [doctor.stateName + "-other", String(doctor.stateName.dropLast())] {
                let found = try await doctor.list(state: name)
                try doctor.demand(found.isEmpty, "the state \(name) sees \(found.map(\.machine))")
            }
        },
        Check(
            "inspect says that it is ready",
            advice: "answer 'inspect' with the state 'ready' for a machine that runs"
        ) { doctor in
            let found = try await doctor.inspect(1)
            try doctor.demand(found == .ready, "it is said to be '\(found.rawValue)'")
        },
        Check(
            "machines are made at the same time",
            advice: "let processes of the plug-in not get into each other's way: no shared file without a lock"
        ) { doctor in
            let addresses = try await withThrowingTaskGroup(of: String.self) { group in
                for number in Int64(2)...5 { group.addTask { try await doctor.create(number).address } }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            try doctor.demand(addresses.count == 4, "four machines have the addresses \(addresses.sorted())")
            try await doctor.demandList([1, 2, 3, 4, 5], "after four creates at once")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in Int64(2)...5 {
                    group.addTask { try await doctor.ask(.destroy, number, operation: "destroy") }
                }
                try await group.waitForAll()
            }
            try await doctor.demandList([1], "after four were destroyed")
        },
        Check(
            "a create that was killed midway is finished by the next one",
            advice: "make the machine so that it can be found from the first moment (its name, its labels), and that a "
                + "half-made one is finished or removed by the next 'create'; or show it only when it is whole"
        ) { doctor in
            for part in 0..<4 {
                try await doctor.killCreate(6, after: doctor.createTime * part / 4)
                try await doctor.create(6)
                try await doctor.demandList([1, 6], "after a create that was killed, and another one")
                try await doctor.killCreate(6, after: .zero)
                try await doctor.ask(.destroy, 6, operation: "destroy")
                try await doctor.killCreate(6, after: doctor.createTime * part / 4)
                try await doctor.ask(.destroy, 6, operation: "destroy")
                try await doctor.demandList([1], "after a create that was killed, and a destroy")
            }
        },
    ]

    /// Kills it with all it has started, so long after its start. Where it has ended before, what it made stays.
    private func killCreate(_ number: Int64, after delay: Duration) async throws {
        let request = try request(.create, number)
        let (starts, teller) = AsyncStream.makeStream(of: ProcessIdentity.self)
        async let asked: Void = {
            _ = try? await program.ask(
                request,
                onStart: {
                    teller.yield($0)
                    return true
                }
            )
            teller.finish()
        }()
        for await identity in starts {
            await pause(delay)
            await offLoop { PluginProcess.endTree(identity, mark: request.id) }
        }
        await asked
    }

    private static let connectChecks: [Check] = [
        Check(
            "programs run on the machine",
            needsConnect: true,
            advice: "let 'connect' be a program and its arguments that attach a sh of the machine to their standard "
                + "input and output, and end as it ends: [\"ssh\", HOST], [\"docker\", \"exec\", \"-i\", NAME, \"sh\"]"
        ) { doctor in
            let end = try await doctor.onMachine("printf 'a  $b'; printf oops >&2; exit 3")
            try doctor.demand(end.status == 3, "'exit 3' ended with \(end.status.map(String.init) ?? "a signal")")
            let output = String(decoding: end.output, as: UTF8.self)
            try doctor.demand(output == "a  $b", "it printed '\(output)' instead of 'a  $b'")
            try doctor.demand(end.error.contains("oops"), "its standard error is lost")
        },
        Check(
            "any bytes pass, and the end of input",
            needsConnect: true,
            advice: "let 'connect' use no terminal (ssh -T, docker exec without -t), and pass on the end of its input"
        ) { doctor in
            var bytes: [UInt8] = []
            for round in 0..<4096 { bytes += (0..<256).map { UInt8(truncatingIfNeeded: $0 &* (2 * round + 1)) } }
            let end = try await doctor.onMachine("cat", input: bytes)
            try doctor.demand(
                end.output == bytes,
                "of \(bytes.count) bytes \(end.output.count) came back, or others than were sent"
            )
        },
        Check(
            "many programs run at once",
            needsConnect: true,
            advice: "let 'connect' be usable by several at once"
        ) { doctor in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<10 {
                    group.addTask {
                        let end = try await doctor.onMachine("exit \(number)")
                        try doctor.demand(end.status == number, "one of ten ended with \(end.status ?? -1)")
                    }
                }
                try await group.waitForAll()
            }
        },
    ]

    private static let powerChecks: [Check] = [
        Check(
            "power switches it off and on, also twice",
            needs: .power,
            advice: "answer 'power' when it is done; what is off already is not switched off again; 'inspect' says it"
        ) { doctor in
            for (power, wanted) in [
                (PluginRequest.Power.off, PluginAnswer.Inspected.State.off), (.off, .off), (.on, .ready), (.on, .ready),
            ] {
                try await doctor.ask(.power, 1, operation: "power", power: power)
                let found = try await doctor.inspect(1)
                try doctor.demand(found == wanted, "after power \(power.rawValue) it is '\(found.rawValue)'")
            }
            try await doctor.demandList([1], "after it was switched off and on")
        },
        Check(
            "watch begins, and ends when its input ends",
            needs: .watch,
            advice: "say {\"id\":…,\"watching\":true} at once, and end when standard input ends: nobody wants to know "
                + "any more"
        ) { doctor in
            let request = try doctor.request(.watch, 1)
            let heard = Mutex<[UInt8]>([])
            let end = try await PluginProcess.run(
                PluginProcess.Request(
                    arguments: doctor.program.command,
                    environment: request.environment.merging([PluginProcess.mark: request.id]) { $1 },
                    keepsVariable: { !PluginRequest.isReserved($0) },
                    folder: doctor.program.folder,
                    greeting: request.line,
                    input: [],
                    within: .seconds(20),
                    endsDescendants: true,
                    mark: request.id,
                    onOutput: { bytes in
                        heard.withLock { $0 += bytes.prefix(4096) }
                        return true
                    }
                )
            )
            try doctor.demand(end.stop == nil, "it goes on for 20 s after its input has ended")
        },
        Check(
            "watch says that the machine is lost",
            needs: .watch,
            advice: "answer 'watch' with {\"lost\": WHY} when the machine is not there any more"
        ) { doctor in
            try await doctor.create(7)
            var request = try doctor.request(.watch, 7)
            request.timeout = .seconds(60)
            let heard = try await doctor.program.ask(
                request,
                holdsInput: true,
                onLine: { line in
                    guard case .watching = line else { return }
                    // Nobody awaits it: the watch, which is awaited, sees what it does.
                    Task { _ = try? await doctor.ask(.destroy, 7, operation: "destroy") }
                }
            )
            let reason = try doctor.program.read(heard, of: .watch) { object throws(PluginValueError) in
                try object.text("lost")
            }
            try doctor.demand(!reason.isEmpty, "it does not say why")
            try await doctor.ask(.destroy, 7, operation: "destroy")
        },
    ]

    private static let endChecks: [Check] = [
        Check(
            "destroy removes it, and may be repeated",
            advice: "answer 'destroy' when nothing of the machine is left, and with ok when there was nothing"
        ) { doctor in
            for _ in 0..<2 { try await doctor.ask(.destroy, 1, operation: "destroy") }
            let found = try await doctor.inspect(1)
            try doctor.demand(found == .gone, "inspect says '\(found.rawValue)'")
            try await doctor.demandList([], "after it was destroyed")
        },
        Check(
            "no process is left",
            advice: "end on 'destroy' whatever was started for the machine, and let requests leave nothing running"
        ) { doctor in
            let ids = Set(doctor.requests)
            let left = await offLoop {
                ProcessTable.all().filter { entry in
                    !entry.isDead
                        && ProcessTable.variables([PluginProcess.mark], of: entry.pid)[PluginProcess.mark]
                            .map(ids.contains) == true
                }.map { "\($0.pid) \(ProcessTable.command(of: $0.pid).prefix(100))" }
            }
            try doctor.demand(left.isEmpty, "still running: \(left.joined(separator: ", "))")
        },
        Check(
            "it says nothing but answers, and ends with 0",
            advice: "write to standard output only the lines of the protocol (all else to standard error), and nothing "
                + "after the answer; end with status 0 when it was an answer"
        ) { doctor in
            let complaints = doctor.complaints
            try doctor.demand(complaints.isEmpty, complaints.prefix(3).joined(separator: "; "))
        },
    ]
}
