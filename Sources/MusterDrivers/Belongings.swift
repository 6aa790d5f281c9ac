package import MusterCore

/// Something that a driver has made for a state, found from outside by what it carries.
package struct Belonging: Hashable, Sendable, Codable {
    /// The kind of the driver.
    package var driver: String
    /// What it is called where it is: the name of a container, of a host.
    package var name: String
    package var lab: String
    package var node: NodeID
    /// For people: the node's name as it was when the thing was made; empty where it does not say.
    package var nodeName: String
    /// What made it.
    package var operation: OperationID?
    /// What it does now, in a word of its own kind: `running`.
    package var status: String

    package init(
        driver: String,
        name: String,
        lab: String,
        node: NodeID,
        nodeName: String,
        operation: OperationID?,
        status: String
    ) {
        self.driver = driver
        self.name = name
        self.lab = lab
        self.node = node
        self.nodeName = nodeName
        self.operation = operation
        self.status = status
    }
}

/// What a driver has found outside.
package struct Belongings: Hashable, Sendable {
    package var found: [Belonging]
    /// Leases of hosts that others held and whose time is over: whoever wants the host takes it.
    package var staleLeases: [StaleLease]
    /// Whoever could not be asked, with the reason: there may be more.
    package var problems: [StepError]

    package init(found: [Belonging] = [], staleLeases: [StaleLease] = [], problems: [StepError] = []) {
        self.found = found
        self.staleLeases = staleLeases
        self.problems = problems
    }

    package static func + (a: Belongings, b: Belongings) -> Belongings {
        Belongings(
            found: a.found + b.found,
            staleLeases: a.staleLeases + b.staleLeases,
            problems: a.problems + b.problems
        )
    }
}

/// A lease that ended and that nobody has given back.
package struct StaleLease: Hashable, Sendable {
    package var host: String
    /// Who held it and until when, for people.
    package var holder: String
    package init(host: String, holder: String) {
        self.host = host
        self.holder = holder
    }
}
