/// What the suites of drivers and of stores are written with.
package protocol ConformanceSuite {}

/// How a driver or a store falls short.
package struct ConformanceFailure: Error, CustomStringConvertible {
    package let description: String
}

extension ConformanceSuite {
    package typealias Failure = ConformanceFailure

    static func demand(
        _ holds: Bool,
        _ what: @autoclosure () -> String,
        file: StaticString = #fileID,
        line: UInt = #line
    ) throws {
        if !holds { throw Failure(description: "\(what()) (\(file):\(line))") }
    }

    static func equal<Value: Equatable>(
        _ found: Value,
        _ wanted: Value,
        _ what: @autoclosure () -> String,
        file: StaticString = #fileID,
        line: UInt = #line
    ) throws {
        try demand(found == wanted, "\(what()): \(found) instead of \(wanted)", file: file, line: line)
    }
}
