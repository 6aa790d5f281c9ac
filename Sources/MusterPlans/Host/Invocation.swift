package import MusterCore

/// One call of an action, as the protocols of actions take it apart. Not for programs.
public struct Invocation: Sendable {
    package let call: ActionCall
    package let context: RunContext

    /// What came of it.
    public struct End: Sendable {
        let end: CallEnd
        init(_ end: CallEnd) { self.end = end }
        /// It succeeded, and what is stored of the step stays as it is.
        package static var unchanged: End { End(CallEnd(.succeeded)) }
    }

    /// `the input of 'CreateVolume'`.
    func whose(_ thing: String) -> String { "the \(thing) of '\(call.action)'" }

    var unexpected: BadValueError {
        BadValueError(
            "'\(call.action)' cannot be called like this (\(call.kind)): was it another kind of action before?"
        )
    }

    package func input<Input: Decodable>(_ type: Input.Type) throws -> Input {
        guard let text = call.input else { throw BadValueError("\(whose("input")) is not there") }
        return try Envelope.value(type, text, .input, of: whose("input"), outputs: call.references)
    }

    /// What the step has stored as its output; nil while there is none.
    func storedOutput<Output: Decodable>(_ type: Output.Type) throws -> Output? {
        guard let text = call.output, JSONSlices(text).find([Envelope.Content.output.rawValue]) != nil else {
            return nil
        }
        return try Envelope.value(type, text, .output, of: whose("output"))
    }

    package func done(_ output: some Encodable) throws -> End {
        let limit = context.host.settings.valueSizeLimit
        let text = try Envelope(.output, output, of: whose("output"), limit: limit).text
        return End(CallEnd(.succeeded, output: text))
    }

    package func end(_ progress: StepProgress<some Encodable & Sendable>) throws -> End {
        switch progress {
        case .done(let output): try done(output)
        case .suspended: End(CallEnd(.suspended, output: context.kept, wakes: context.wakes))
        }
    }
}
