/// What a driver asks of a supervisor. Each request is answered once, with its number, in any order; `watch` may be
/// answered a second time, when the loss happens.
package struct SupervisorRequest: Hashable, Sendable {
    package var number: UInt32
    /// The conductor's epoch. A supervisor refuses an older one than the newest it has seen.
    package var epoch: Int64
    package var body: Body

    package enum Body: Hashable, Sendable {
        /// First on a connection. Answer: `.facts`.
        case hello(version: UInt16)
        /// Starts an operation, or finds the one started before. Answer: `.started`, or with `waits` only at its end
        /// `.ended`.
        case start(OperationSpec, waits: Bool)
        /// Asks after an operation that may have been started before. Answer: `.ended` when it has ended, `.unknown`
        /// when nothing of it is known; while it runs `.started`, or with `waits` only at its end `.ended`.
        case attach(operation: String, waits: Bool)
        /// Ends an operation with all its descendants: TERM, and KILL after the grace (microseconds). Answer: `.done`.
        case end(operation: String, grace: Int64)
        /// Ends the node's server without calling that a loss. Answer: `.done`.
        case powerOff(grace: Int64)
        /// Starts the server anew under this operation. Answer: `.started` or `.ended` when it could not be.
        case powerOn(operation: String)
        /// Answer: `.watching`, and `.lost` when the server ends by itself; at once when it has.
        case watch
        /// Ends everything, the supervisor last. Answer: `.done`, then the connection closes.
        case shutdown(grace: Int64)
    }

    package init(number: UInt32, epoch: Int64, body: Body) {
        self.number = number
        self.epoch = epoch
        self.body = body
    }
}

/// A supervisor's answer to the request of the same number.
package struct SupervisorReply: Hashable, Sendable {
    package var number: UInt32
    package var body: Body

    package enum Body: Hashable, Sendable {
        case facts(SupervisorFacts)
        case started(pid: Int32)
        case ended(ExitRecord)
        /// The operation was begun by a supervisor that is gone (its `exit` file, if any, says more); the server ended.
        case lost(reason: String)
        case unknown
        case done
        case watching
        case refused(Refusal, message: String)
    }

    /// Why a request was not carried out.
    package enum Refusal: UInt8, Hashable, Sendable, CaseIterable {
        /// A newer conductor has been here.
        case oldEpoch = 1
        /// The request is not one.
        case malformed = 2
        /// The system said no: no space, no more processes.
        case system = 3
        /// The node is being destroyed, or a server is still being stopped.
        case busy = 4
    }

    package init(number: UInt32, body: Body) {
        self.number = number
        self.body = body
    }
}

/// What a supervisor says of itself.
package struct SupervisorFacts: Hashable, Sendable {
    package var version: UInt16
    package var identity: ProcessIdentity
    package var bootID: String
    /// The node's address on this host.
    package var address: String

    package init(version: UInt16 = Wire.version, identity: ProcessIdentity, bootID: String, address: String) {
        self.version = version
        self.identity = identity
        self.bootID = bootID
        self.address = address
    }
}

extension SupervisorRequest {
    package var frame: [UInt8] {
        var writer = WireWriter()
        writer.put(number)
        writer.put(epoch)
        switch body {
        case .hello(let version):
            writer.put(UInt8(1))
            writer.put(version)
        case .start(let spec, let waits):
            writer.put(UInt8(2))
            spec.write(to: &writer)
            writer.put(waits)
        case .attach(let operation, let waits):
            writer.put(UInt8(3))
            writer.put(operation)
            writer.put(waits)
        case .end(let operation, let grace):
            writer.put(UInt8(4))
            writer.put(operation)
            writer.put(grace)
        case .powerOff(let grace):
            writer.put(UInt8(5))
            writer.put(grace)
        case .powerOn(let operation):
            writer.put(UInt8(6))
            writer.put(operation)
        case .watch: writer.put(UInt8(7))
        case .shutdown(let grace):
            writer.put(UInt8(8))
            writer.put(grace)
        }
        return Wire.framed(writer)
    }

    package init(payload: [UInt8]) throws(WireError) {
        var reader = WireReader(payload)
        number = try reader.number()
        epoch = try reader.number()
        switch try reader.number(UInt8.self) {
        case 1: body = .hello(version: try reader.number())
        case 2: body = .start(try OperationSpec(from: &reader), waits: try reader.flag())
        case 3: body = .attach(operation: try reader.operation(), waits: try reader.flag())
        case 4: body = .end(operation: try reader.operation(), grace: try reader.length())
        case 5: body = .powerOff(grace: try reader.length())
        case 6: body = .powerOn(operation: try reader.operation())
        case 7: body = .watch
        case 8: body = .shutdown(grace: try reader.length())
        case let other: throw WireError("there is no request of kind \(other)")
        }
        try reader.finish()
    }
}

extension SupervisorReply {
    package var frame: [UInt8] {
        var writer = WireWriter()
        writer.put(number)
        switch body {
        case .facts(let facts):
            writer.put(UInt8(1))
            writer.put(facts.version)
            writer.put(facts.identity.pid)
            writer.put(facts.identity.startTime)
            writer.put(facts.bootID)
            writer.put(facts.address)
        case .started(let pid):
            writer.put(UInt8(2))
            writer.put(pid)
        case .ended(let record):
            writer.put(UInt8(3))
            record.write(to: &writer)
        case .lost(let reason):
            writer.put(UInt8(4))
            writer.put(reason)
        case .unknown: writer.put(UInt8(5))
        case .done: writer.put(UInt8(6))
        case .watching: writer.put(UInt8(7))
        case .refused(let refusal, let message):
            writer.put(UInt8(8))
            writer.put(refusal.rawValue)
            writer.put(message)
        }
        return Wire.framed(writer)
    }

    package init(payload: [UInt8]) throws(WireError) {
        var reader = WireReader(payload)
        number = try reader.number()
        switch try reader.number(UInt8.self) {
        case 1:
            let version = try reader.number(UInt16.self)
            let identity = ProcessIdentity(pid: try reader.number(), startTime: try reader.number())
            body = .facts(
                SupervisorFacts(
                    version: version,
                    identity: identity,
                    bootID: try reader.text(),
                    address: try reader.text()
                )
            )
        case 2: body = .started(pid: try reader.number())
        case 3: body = .ended(try ExitRecord(from: &reader))
        case 4: body = .lost(reason: try reader.text())
        case 5: body = .unknown
        case 6: body = .done
        case 7: body = .watching
        case 8:
            let code = try reader.number(UInt8.self)
            guard let refusal = Refusal(rawValue: code) else { throw WireError("there is no refusal \(code)") }
            body = .refused(refusal, message: try reader.text())
        case let other: throw WireError("there is no reply of kind \(other)")
        }
        try reader.finish()
    }
}

extension WireReader {
    /// An operation's id: it names a folder, so it is short and has no separators.
    package mutating func operation() throws(WireError) -> String {
        let text = try text()
        guard SupervisorFiles.isOperation(text) else {
            throw WireError("'\(text.prefix(80))' is no operation id (1 to 200 of A-Z a-z 0-9 . _ -, no dot first)")
        }
        return text
    }

    /// A length of time in microseconds: not negative, at most ten years.
    package mutating func length() throws(WireError) -> Int64 {
        let length = try number(Int64.self)
        guard (0...315_360_000_000_000).contains(length) else {
            throw WireError("\(length) µs is not between 0 and ten years")
        }
        return length
    }
}
