import MusterCore

/// A value that is known when a plan is made, or that an earlier step of the plan will have.
///
/// It is the type of an input's field that may come from another step:
///
/// ```swift
/// struct Input: Codable, Sendable { var volume: Value<String>; var label: String }
/// let volume = try plan.add(CreateVolume.self, .init(gigabytes: 3))
/// try plan.add(AttachVolume.self, .init(volume: volume.id, label: "data"))
/// ```
///
/// When the step runs it holds the other step's output.
@dynamicMemberLookup
public struct Value<Wrapped: Codable & Sendable>: Sendable {
    enum Content: Sendable {
        case literal(Wrapped)
        case reference(Reference)
        /// What it refers to cannot be told; why, and what to do.
        case unresolved(String)
    }

    let content: Content

    init(content: Content) { self.content = content }

    /// A value that is known.
    public init(_ value: Wrapped) { content = .literal(value) }

    /// A value that is known.
    public static func literal(_ value: Wrapped) -> Value { Value(value) }

    /// What it holds: always there while an action runs.
    ///
    /// - Throws: `PlanningError` when it is asked for while the plan is made and comes from a step.
    public var value: Wrapped {
        get throws {
            switch content {
            case .literal(let value): return value
            case .unresolved(let reason): throw PlanningError(reason)
            case .reference(let reference):
                throw PlanningError(
                    "the output of step \(reference.step) is not known while the plan is made; "
                        + "pass the Value on to a step, and ask for its value when that runs"
                )
            }
        }
    }

    /// What it holds; nil when it comes from a step that has not run.
    public var known: Wrapped? {
        if case .literal(let value) = content { value } else { nil }
    }

    /// A field of it.
    public subscript<Field: Codable & Sendable>(dynamicMember keyPath: KeyPath<Wrapped, Field>) -> Value<Field> {
        switch content {
        case .literal(let value): Value<Field>(value[keyPath: keyPath])
        case .unresolved(let reason): Value<Field>(content: .unresolved(reason))
        case .reference(let reference): Self.field(keyPath, of: reference)
        }
    }

    /// An element, by its place from 0; its absence is found out when the step that uses it runs.
    public subscript<Element: Codable & Sendable>(index: Int) -> Value<Element> where Wrapped == [Element] {
        switch content {
        case .literal(let value) where value.indices.contains(index): return Value<Element>(value[index])
        case .literal(let value):
            return Value<Element>(content: .unresolved("there is no element \(index) of \(value.count)"))
        case .unresolved(let reason): return Value<Element>(content: .unresolved(reason))
        case .reference(let reference):
            return Value<Element>(content: .reference(reference.appending([String(index)])))
        }
    }

    /// The value of a key; its absence is found out when the step that uses it runs.
    public subscript<Element: Codable & Sendable>(key key: String) -> Value<Element> where Wrapped == [String: Element]
    {
        switch content {
        case .literal(let value):
            if let element = value[key] { return Value<Element>(element) }
            return Value<Element>(content: .unresolved("there is no value of the key '\(key)'"))
        case .unresolved(let reason): return Value<Element>(content: .unresolved(reason))
        case .reference(let reference): return Value<Element>(content: .reference(reference.appending([key])))
        }
    }

    static func field<Field: Codable & Sendable>(
        _ keyPath: KeyPath<Wrapped, Field>,
        of reference: Reference
    ) -> Value<Field> {
        do throws(PlanningError) {
            let path = try FieldPaths.shared.path(of: keyPath)
            return Value<Field>(content: .reference(reference.appending(path)))
        } catch {
            return Value<Field>(content: .unresolved(error.description))
        }
    }
}

/// Where a value comes from: a step of the same plan, and a path into its output as JSON.
struct Reference: Hashable, Sendable {
    /// The builder of the plan that the step belongs to.
    var plan: UInt64
    var step: StepIndex
    var path: [String]

    func appending(_ more: [String]) -> Reference { Reference(plan: plan, step: step, path: path + more) }
}

extension Value: Codable {
    /// Reads the value; references were replaced by what they refer to.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(Wrapped.self))
    }

    /// Writes the value, or a gap that is remembered beside the text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch content {
        case .literal(let value): try container.encode(value)
        case .unresolved(let reason): throw PlanningError(reason)
        case .reference(let reference):
            guard let notes = encoder.userInfo[EnvelopeNotes.key] as? EnvelopeNotes else {
                throw PlanningError(
                    "a Value that comes from a step can only be part of the input of another step of the same plan"
                )
            }
            try notes.note(reference, at: encoder.codingPath)
            try container.encodeNil()
        }
    }
}

extension Value: ExpressibleByUnicodeScalarLiteral where Wrapped: ExpressibleByUnicodeScalarLiteral {
    /// A value that is written out.
    public init(unicodeScalarLiteral value: Wrapped.UnicodeScalarLiteralType) {
        self.init(Wrapped(unicodeScalarLiteral: value))
    }
}

extension Value: ExpressibleByExtendedGraphemeClusterLiteral
where Wrapped: ExpressibleByExtendedGraphemeClusterLiteral {
    /// A value that is written out.
    public init(extendedGraphemeClusterLiteral value: Wrapped.ExtendedGraphemeClusterLiteralType) {
        self.init(Wrapped(extendedGraphemeClusterLiteral: value))
    }
}

extension Value: ExpressibleByStringLiteral where Wrapped: ExpressibleByStringLiteral {
    /// A value that is written out.
    public init(stringLiteral value: Wrapped.StringLiteralType) { self.init(Wrapped(stringLiteral: value)) }
}

extension Value: ExpressibleByIntegerLiteral where Wrapped: ExpressibleByIntegerLiteral {
    /// A value that is written out.
    public init(integerLiteral value: Wrapped.IntegerLiteralType) { self.init(Wrapped(integerLiteral: value)) }
}

extension Value: ExpressibleByFloatLiteral where Wrapped: ExpressibleByFloatLiteral {
    /// A value that is written out.
    public init(floatLiteral value: Wrapped.FloatLiteralType) { self.init(Wrapped(floatLiteral: value)) }
}

extension Value: ExpressibleByBooleanLiteral where Wrapped: ExpressibleByBooleanLiteral {
    /// A value that is written out.
    public init(booleanLiteral value: Wrapped.BooleanLiteralType) { self.init(Wrapped(booleanLiteral: value)) }
}

extension Value: Equatable where Wrapped: Equatable {
    /// Whether both are known and equal, or refer to the same.
    public static func == (a: Value, b: Value) -> Bool {
        switch (a.content, b.content) {
        case (.literal(let a), .literal(let b)): a == b
        case (.reference(let a), .reference(let b)): a == b
        case (.unresolved(let a), .unresolved(let b)): a == b
        case (.literal, _), (.reference, _), (.unresolved, _): false
        }
    }
}

/// A value that is not shown: its place in an input or output is remembered, and masked wherever that is shown.
///
/// It is stored as it is: whoever may read the state's files may read it.
public struct Secret<Wrapped: Codable & Sendable>: Codable, Sendable, CustomStringConvertible, CustomReflectable {
    /// What it hides.
    public var value: Wrapped

    /// Hides a value.
    public init(_ value: Wrapped) { self.value = value }

    /// Reads the hidden value.
    public init(from decoder: any Decoder) throws { value = try decoder.singleValueContainer().decode(Wrapped.self) }

    /// Writes the hidden value, and notes where it stands.
    public func encode(to encoder: any Encoder) throws {
        (encoder.userInfo[EnvelopeNotes.key] as? EnvelopeNotes)?.noteSecret(at: encoder.codingPath)
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    /// Never the value.
    public var description: String { "***" }
    /// Never the value.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Secret: Equatable where Wrapped: Equatable {}
extension Secret: Hashable where Wrapped: Hashable {}

/// No input, or no output.
public struct Empty: Codable, Hashable, Sendable {
    /// Nothing.
    public init() {}
}
