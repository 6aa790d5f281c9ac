internal import MusterCore

/// `modes:` of a lab, and `mode:` of its groups.
extension LabReader {
    /// The table that a lab names: a preset, or a file of its folder. Without one its nodes are containers.
    ///
    /// - Returns: nil for one that is wrong, which is reported.
    mutating func readModes(_ entry: YamlNode.Entry?) -> ModeSet? {
        guard let entry else { return try? ModePresets.source("container").set }
        guard let name = text(entry, wants: "a preset or a file") else { return nil }
        do throws(LabError) {
            if ModePresets.names.contains(name) { return try ModePresets.source(name).set }
            guard let path = path(name, "'modes'", entry.value.span, mayLeave: false) else { return nil }
            guard let bytes = files.contents(of: path, limit: ModesParser.bytesMax) else {
                let hint = "presets are \(ModePresets.names.joined(separator: ", "))"
                sink.add(entry.value.span, "'\(name)' is neither a preset nor a file that can be read", hint: hint)
                return nil
            }
            let source = try ModesParser.parse(bytes: bytes, file: path)
            let errors = ModeChecker.findings(in: source).filter { $0.code.severity == .error }
            for finding in errors { sink.add(finding.diagnostic) }
            return errors.isEmpty ? source.set : nil
        } catch {
            for diagnostic in error.diagnostics { sink.add(diagnostic) }
            return nil
        }
    }

    /// Groups begin in modes that there are.
    mutating func checkModes(_ modes: ModeSet) {
        let names = modes.modes.map(\.name)
        for group in groups {
            guard let mode = group.spec.mode, let span = group.modeSpan, !names.contains(mode) else { continue }
            let hint = sink.suggestion(for: mode, among: names)
            sink.add(span, "the mode table has no mode '\(mode)'", hint: hint)
        }
        for group in groups {
            guard let mode = group.spec.mode.map({ modes[mode: $0] }) ?? modes.modes.first else { continue }
            let states = mode.knownStates
            for (state, span) in group.stateSpans where !states.contains(state) {
                let hint = sink.suggestion(for: state, among: states)
                sink.add(span, "mode '\(mode.name)' has no state '\(state)'", hint: hint)
            }
        }
    }
}
