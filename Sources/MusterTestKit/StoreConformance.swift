package import MusterStore

/// What every store must do. A store is done when each of `checks` passes.
package enum StoreConformance: ConformanceSuite {
    /// How the suite gets at one state of the store under test.
    package struct Subject: Sendable {
        /// Makes a new, empty state with this clock.
        package var makeWithClock: @Sendable (Clock) throws -> any Store
        /// Another object on the same state, as another process would have it; the first one lives on.
        package var join: @Sendable (any Store) throws -> any Store

        package init(
            make: @escaping @Sendable (Clock) throws -> any Store,
            join: @escaping @Sendable (any Store) throws -> any Store
        ) {
            makeWithClock = make
            self.join = join
        }

        func make(_ clock: Clock = Clock()) throws -> any Store { try makeWithClock(clock) }
    }

    /// One demand on a store.
    package struct Check: Sendable, CustomStringConvertible {
        package let name: String
        let body: @Sendable (Subject) throws -> Void

        init(_ name: String, _ body: @escaping @Sendable (Subject) throws -> Void) {
            self.name = name
            self.body = body
        }

        package var description: String { name }

        /// - Throws: `StoreConformance.Failure` when the store does not do what it must, or the error it threw.
        package func run(on subject: Subject) throws { try body(subject) }
    }

    package static let checks: [Check] =
        rowChecks + turnChecks + clientChecks + readerChecks + claimChecks + programChecks + limitChecks
        + nodeStateChecks + queryChecks
        + faultChecks

    // MARK: Demands

    static func refused(
        _ code: StoreError.Code?,
        _ what: @autoclosure () -> String,
        file: StaticString = #fileID,
        line: UInt = #line,
        _ body: () throws(StoreError) -> Void
    ) throws {
        do throws(StoreError) {
            try body()
        } catch {
            if let code { try equal(error.code, code, what(), file: file, line: line) }
            try demand(!error.message.isEmpty, "\(what()): the error says nothing", file: file, line: line)
            return
        }
        throw Failure(description: "\(what()) was not refused (\(file):\(line))")
    }
}
