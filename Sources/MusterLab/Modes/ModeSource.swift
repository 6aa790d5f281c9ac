package import MusterCore

/// A thing in a mode table, for findings and their places.
package enum ModeSubject: Hashable, Sendable {
    case table
    case mode(String)
    /// A rule of a mode, or of all: `invalid`, `ready` …
    case rule(mode: String?, String)
    case transition(mode: String, from: String, to: String)
    case event(mode: String, from: String, event: String)
    case work(mode: String, state: String)
    case timeout(mode: String?, state: String)
    case trigger(mode: String?, state: String)
    case sticky(mode: String?, state: String)
    case move(mode: String, state: String, toMode: String, toState: String)
    case command(String)
    case nodeTrigger(node: String, mode: String?, state: String)
    case setting(String)
}

/// Where a thing stands, with its line.
package struct ModePlace: Hashable, Sendable {
    package var file: String
    package var line: Int
    package var column: Int
    package var length: Int
    package var source: String?
    package var sourceOffset: Int
}

/// A mode table as it was read: what it says, and where it says it.
package struct ModeSource: Sendable {
    /// With what it extends.
    package var set: ModeSet
    /// What the file itself names.
    package var own: ModeSet
    /// The preset that it extends.
    package var extends: String?
    /// The file as its user named it.
    package var file: String
    package var places: [ModeSubject: ModePlace]

    package init(
        set: ModeSet,
        own: ModeSet,
        extends: String? = nil,
        file: String,
        places: [ModeSubject: ModePlace] = [:]
    ) {
        self.set = set
        self.own = own
        self.extends = extends
        self.file = file
        self.places = places
    }

    /// A diagnostic at the place of a thing; of what it is in, where that has no place of its own.
    package func diagnostic(
        _ severity: Diagnostic.Severity,
        at subject: ModeSubject,
        _ message: String,
        hint: String = ""
    ) -> Diagnostic {
        guard let place = places[subject] ?? subject.mode.flatMap({ places[.mode($0)] }) else {
            return Diagnostic(severity, file: file, message: message, hint: hint)
        }
        return Diagnostic(
            severity,
            file: place.file,
            line: place.line,
            column: place.column,
            length: place.length,
            message: message,
            hint: hint,
            source: place.source,
            sourceOffset: place.sourceOffset
        )
    }
}

extension ModeSubject {
    var mode: String? {
        switch self {
        case .table, .command, .setting: nil
        case .mode(let mode), .transition(let mode, _, _), .event(let mode, _, _), .move(let mode, _, _, _): mode
        case .work(let mode, _): mode
        case .rule(let mode, _), .timeout(let mode, _), .trigger(let mode, _), .sticky(let mode, _),
            .nodeTrigger(_, let mode, _):
            mode
        }
    }
}
