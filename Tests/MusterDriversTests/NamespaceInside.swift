import Foundation
import MusterCore
import MusterSupervision

@testable import MusterDrivers

/// How tests look into the namespaces of nodes.
enum NamespaceInside {
    /// Why no namespaces can be made here; nil when they can.
    static let absence: String? = NamespacePlace.problem(.standard)

    private static let network: Int32 = 0x4000_0000

    /// The supervisor of the node that has an address.
    private static func supervisor(at address: String) throws -> Int32 {
        for process in ProcessTable.all() where !process.isDead {
            let variables = ProcessTable.variables([Markers.supervisor], of: process.pid)
            guard let directory = variables[Markers.supervisor] else { continue }
            if NamespacePlace.address(in: directory)?.description == address { return process.pid }
        }
        throw StepError(.lost, "nobody has \(address)")
    }

    /// A socket belongs to the network that the thread is in which makes it.
    static func serve(_ address: String, _ answer: String, port: Int = 0) throws -> Int {
        typealias Call = @convention(c) (Int32, Int32) -> Int32
        // `int setns(int, int)`: not among what Swift imports.
        let setns = unsafeBitCast(dlsym(nil, "setns"), to: Call.self)
        let host = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        let inside = open("/proc/\(try supervisor(at: address))/ns/net", O_RDONLY | O_CLOEXEC)
        defer {
            close(host)
            close(inside)
        }
        guard setns(inside, network) == 0 else { throw StepError(.refused, "the network of \(address) is closed") }
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        precondition(setns(host, network) == 0, "a thread of the tests is lost in a node's network")
        return try serveForTest(address, answer, on: listener, port: port)
    }

    /// Waits until no interface of a node is left on the host, each time the kernel says that some interface changed.
    static func waitUntilNoneIsLeft(of directories: [String]) -> [String] {
        let events = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(events) }
        // struct sockaddr_nl: family, padding, pid, groups (1: links).
        let place: [UInt32] = [UInt32(AF_NETLINK), 0, 1]
        place.withUnsafeBytes { _ = bind(events, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), 12) }
        while true {
            let left = interfaces(of: directories)
            var wait = pollfd(fd: events, events: Int16(POLLIN), revents: 0)
            guard !left.isEmpty, poll(&wait, 1, 20_000) > 0 else { return left }
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            _ = recv(events, &bytes, bytes.count, 0)
        }
    }

    static func interfaces(of directories: [String]) -> [String] {
        let aliases = Set(directories.map(NodeNetwork.alias(of:)))
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/sys/class/net")) ?? []
        return names.filter { name in
            guard NodeNetwork.isInterface(name),
                let text = FileManager.default.contents(atPath: "/sys/class/net/\(name)/ifalias")
            else { return false }
            let alias = String(decoding: text, as: UTF8.self).trimmingCharacters(in: .newlines)
            return aliases.contains(alias)
        }
    }
}
