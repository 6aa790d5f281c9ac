internal import MusterCore

/// Nodes in namespaces of this host, and the addresses that they get.
extension LabReader {
    mutating func readAddresses(_ entry: YamlNode.Entry) {
        guard let fields = fields(entry.value, LabKeys.addresses, of: "'addresses'", at: entry.keySpan),
            let cidr = fields["cidr"], let text = text(cidr, wants: "a range, such as 10.77.0.0/24")
        else { return }
        let wants = "an address, or a range of them"
        let reserved = fields["reserved"].map { texts($0, wants: wants, mayBeSingle: false) } ?? []
        do throws(AddressPool.Problem) {
            addresses = try AddressPool(cidr: text, reserved: reserved.map(\.text))
        } catch {
            switch error {
            case .cidr(let message), .exhausted(let message): sink.add(cidr.value.span, message)
            case .reserved(let message): sink.add((fields["reserved"] ?? cidr).value.span, message)
            }
        }
    }

    /// `netns: {}`, or `netns: { run: … }`.
    mutating func readNamespaces(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        let machine = Machine.netns(NamespaceMachine(addresses: addresses))
        if entry.value.isNull { return .machine(machine, run: nil) }
        guard let fields = fields(entry.value, LabKeys.netns, of: "'netns'", at: entry.keySpan) else { return nil }
        guard let run = fields["run"] else { return .machine(machine, run: nil) }
        return command(run, user).map { .machine(machine, run: $0) }
    }
}
