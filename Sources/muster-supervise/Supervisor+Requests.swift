import Glibc
import MusterSupervision

extension Supervisor {
    func receive(_ request: SupervisorRequest, on connection: Connection) {
        let number = request.number
        func answer(_ body: SupervisorReply.Body) { connection.send(SupervisorReply(number: number, body: body)) }
        func waiter(_ kind: Operation.Waiter.Answer) -> Operation.Waiter {
            Operation.Waiter(connection: connection.descriptor, number: number, answer: kind)
        }
        guard admits(request.epoch) else {
            answer(
                .refused(.oldEpoch, message: "a newer conductor than epoch \(request.epoch) has taken over this node")
            )
            return
        }
        switch request.body {
        case .hello(let version):
            guard version == Wire.version else {
                let message = "this node's supervisor speaks version \(Wire.version), not \(version)"
                answer(.refused(.malformed, message: message))
                return
            }
            answer(.facts(facts))
        case .start(let spec, let waits):
            if let reply = start(spec) {
                answer(reply)
            } else if let operation = operations[spec.operation] {
                if waits {
                    operation.waiters.append(waiter(.record))
                } else {
                    answer(.started(pid: operation.main.pid))
                }
            }
        case .attach(let id, let waits):
            if let record = records[id] {
                answer(.ended(record))
            } else if let operation = operations[id] {
                if waits {
                    operation.waiters.append(waiter(.record))
                } else {
                    answer(.started(pid: operation.main.pid))
                }
            } else {
                answer(.unknown)
            }
        case .end(let id, let grace):
            if let operation = operations[id] {
                operation.waiters.append(waiter(.done))
                end(operation, grace: grace, interrupting: true)
            } else {
                refuseLater(id)
                answer(.done)
            }
        case .powerOff(let grace): powerOff(grace: grace, waiter: waiter(.done))
        case .powerOn(let id): answer(powerOn(id))
        case .watch:
            if let loss {
                answer(.lost(reason: loss))
            } else {
                answer(.watching)
                // Who asks again, under a new term, is told of a loss once.
                watchers.removeAll { $0.connection == connection.descriptor }
                watchers.append(waiter(.done))
            }
        case .shutdown(let grace): beginShutdown(grace: grace, waiter: waiter(.done))
        }
    }

    // MARK: Power

    private func powerOff(grace: Int64, waiter: Operation.Waiter) {
        loss = nil
        guard let id = serverOperation, let operation = operations[id] else {
            send(.done, to: waiter)
            return
        }
        operation.waiters.append(waiter)
        operation.isWanted = true
        end(operation, grace: grace, interrupting: true)
    }

    private func powerOn(_ id: String) -> SupervisorReply.Body {
        guard var spec = server else { return .done }
        if let record = records[id] { return .ended(record) }
        if let current = serverOperation.flatMap({ operations[$0] }), current.phase != .left {
            guard current.isWanted else { return .started(pid: current.main.pid) }
            return .refused(.busy, message: "the server is still being stopped")
        }
        spec.operation = id
        if let reply = start(spec) { return reply }
        return .started(pid: operations[id]?.main.pid ?? 0)
    }
}
