/// The names of what a supervisor keeps in its node's folder. `docs/formats/supervisor.md` says what stands in each.
package enum SupervisorFiles {
    package static let socket = "supervisor.sock"
    package static let log = "supervisor.log"
    /// Who supervises, since when, at which address.
    package static let facts = "supervisor.json"
    /// The newest conductor's epoch seen.
    package static let epoch = "supervisor.epoch"
    /// Held while a supervisor is being launched.
    package static let lock = "supervisor.lock"

    /// The folder of the next operation, before it has a name.
    package static let spare = "supervisor.next"

    /// The folder of an operation.
    package static func folder(of operation: String) -> String { "op-" + operation }
    package static let spec = "spec.json"
    package static let started = "started"
    package static let exit = "exit"
    /// Room for `exit`, taken before the start so that a full disk cannot keep an end from being written.
    package static let exitDraft = "exit.part"
    package static let output = "output"
    /// What a test has said on its control descriptor.
    package static let control = "control"
    /// What follows the first part of a long output, in turns.
    package static let segments = ["output.1", "output.2"]

    /// Whether a name in a node's folder belongs to its supervisor.
    package static func isReserved(_ name: some StringProtocol) -> Bool {
        name.hasPrefix("op-") || name.hasPrefix("supervisor.")
    }

    package static func isOperation(_ text: some StringProtocol) -> Bool {
        guard (1...200).contains(text.utf8.count), text.utf8.first != UInt8(ascii: ".") else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }
}

/// Variables by which a process can be told to belong to a node, whoever its parent has become.
package enum Markers {
    package static let operation = "MUSTER_OPERATION"
    package static let node = "MUSTER_NODE_DIR"
    package static let address = "MUSTER_ADDRESS"
    /// The number of the descriptor on which a test reports; the second is for tests written for ATEX.
    package static let control = ["MUSTER_TEST_CONTROL", "ATEX_TEST_CONTROL"]
    /// That number. Shells take only one digit.
    package static let controlDescriptor: Int32 = 3
    /// In the environment of supervisors only.
    package static let supervisor = "MUSTER_SUPERVISOR_DIR"
}

/// Addresses of nodes on this host: 127.64.0.0/10, without those that end in 0 or 255.
package enum NodeAddress {
    /// The names that `operation` tries, in turn: the first follows from its id, so that a repetition gets the same.
    package static func candidate(_ number: Int, for operation: String) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325  // FNV-1a
        for byte in operation.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash ^= hash >> 32
        let networks: UInt64 = 64 * 256
        let place = (hash &+ UInt64(number)) % (networks * 254)
        let (network, host) = (place / 254, place % 254 + 1)
        return "127.\(64 + network / 256).\(network % 256).\(host)"
    }

    /// How many of them are tried before giving up.
    package static let triesMax = 65_536

    /// The abstract socket whose holder has the address, without the leading zero byte.
    package static func socketName(_ address: String) -> String { "muster-" + address }
}
