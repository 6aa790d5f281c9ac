import Glibc
package import MusterCore

/// What can be done to a process node as a whole.
extension ProcessDriver {
    package var capabilities: Set<Capability> { [.verify, .inspect, .clean, .deploy, .tearDown, .adopt] }

    package func perform(
        _ capability: Capability,
        on node: NodeHandle,
        operation: OperationID
    ) async throws(StepError) -> [String: String] {
        switch capability {
        case .verify, .adopt:
            _ = try await running(on: node)
            return [:]
        case .inspect:
            _ = try await running(on: node)
            return Self.hostFacts
        case .tearDown:
            try await powerOff(node, grace: Defaults.grace)
            return [:]
        case .clean:
            try await powerOff(node, grace: Defaults.grace)
            try await removeFiles(of: node)
            return [:]
        case .deploy:
            try await powerOn(node, operation: operation)
            return [:]
        case .rescue, .unrescue, .service: throw lacks(capability)
        }
    }

    /// What the host is that its nodes are processes of.
    private static var hostFacts: [String: String] {
        var name = utsname()
        uname(&name)
        func text<Field>(_ field: Field) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        let memory = Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
        return [
            "machine": text(name.machine), "kernel": text(name.release),
            "cpus": "\(sysconf(Int32(_SC_NPROCESSORS_ONLN)))", "memory": "\(memory)",
        ]
    }
}
