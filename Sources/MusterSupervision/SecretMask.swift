/// Puts `***` in the place of secrets in a stream of bytes, also where one comes in parts.
///
/// Secrets of less than four bytes stay: they would be found everywhere.
package struct SecretMask: Sendable {
    /// Longest first: of two that begin alike the longer one counts.
    private let secrets: [[UInt8]]
    /// Which bytes begin a secret.
    private var begins = [Bool](repeating: false, count: 256)
    /// What may be the beginning of a secret.
    private var held: [UInt8] = []

    package static let lengthMin = 4
    package static let mask = Array("***".utf8)

    package init(_ secrets: some Sequence<String>) {
        self.secrets = Set(secrets).map { Array($0.utf8) }.filter { $0.count >= Self.lengthMin }.sorted {
            $0.count > $1.count
        }
        for secret in self.secrets { begins[Int(secret[0])] = true }
    }

    /// Whether there is nothing to look for.
    package var isIdle: Bool { secrets.isEmpty }

    /// What can be shown by now.
    package mutating func take(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let all = held + bytes
        var shown: [UInt8] = []
        shown.reserveCapacity(all.count)
        var index = 0
        next: while index < all.count {
            if begins[Int(all[index])] {
                let rest = all[index...]
                for secret in secrets {
                    if rest.starts(with: secret) {
                        shown += Self.mask
                        index += secret.count
                        continue next
                    }
                    if rest.count < secret.count, secret.starts(with: rest) {
                        held = Array(rest)
                        return shown
                    }
                }
            }
            shown.append(all[index])
            index += 1
        }
        held = []
        return shown
    }

    /// What was held back: nothing more comes, so it is no secret.
    package mutating func end() -> [UInt8] {
        defer { held = [] }
        // A shorter secret may stand in what was taken for the beginning of a longer one.
        guard held.count > 1 else { return held }
        var rest = SecretMask(held: held, secrets.filter { $0.count <= held.count })
        return rest.take([]) + rest.end()
    }

    private init(held: [UInt8], _ secrets: [[UInt8]]) {
        self.held = held
        self.secrets = secrets
        for secret in secrets { begins[Int(secret[0])] = true }
    }
}
