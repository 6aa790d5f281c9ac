import ArgumentParser
import Foundation

/// How often a figure is measured, and which rounds count: those with a quiet disk and processor.
struct Rounds: ParsableArguments {
    @Option(help: "How often to measure, one kind after the other; the median of the quiet rounds counts.")
    var rounds = 1

    func validate() throws {
        guard (1...1000).contains(rounds) else { throw ValidationError("--rounds wants 1 to 1,000") }
    }

    /// Above this, in microseconds, a flush waits for a processor and not only for the disk.
    static let probeMax = 150.0

    /// What was measured: the quiet rounds, or all when none was.
    struct Measured<Figures> {
        var figures: [Figures]
        var probe: Double
        var noisy: Int

        func median(_ figure: (Figures) -> Double) -> Double {
            let sorted = figures.map(figure).sorted()
            return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        }

        private var note: String {
            let quiet = noisy == 0 ? "" : "; \(noisy) rounds were not quiet" + (probe > probeMax ? "" : " and left out")
            return "flush probe \(Int(probe)) µs" + (probe > probeMax ? ": do not quote these figures" : "") + quiet
        }

        /// Prints what was found, and how quiet it was meanwhile.
        func report(asJSON: Bool, _ fields: Fields, _ lines: [String]) {
            let quiet: Fields = ["rounds": figures.count, "noisy_rounds": noisy, "probe_us": Int(probe)]
            MusterBench.report(asJSON: asJSON, Array(fields) + Array(quiet), lines + [note])
        }
    }

    /// Measures round after round, with a flush probe before and after each.
    func measure<Figures>(in folder: String, _ round: () async throws -> Figures) async throws -> Measured<Figures> {
        var all: [(figures: Figures, probe: Double)] = []
        for _ in 0..<rounds {
            let before = FlushProbe.median(in: folder)
            let figures = try await round()
            all.append((figures, max(before, FlushProbe.median(in: folder))))
        }
        let quiet = all.filter { $0.probe <= Self.probeMax }
        let counted = quiet.isEmpty ? all : quiet
        return Measured(
            figures: counted.map(\.figures),
            probe: counted.map(\.probe).max() ?? .infinity,
            noisy: all.count - quiet.count
        )
    }
}

/// What a command found, by name, in order: numbers, or texts that are JSON.
typealias Fields = KeyValuePairs<String, any CustomStringConvertible>

extension MusterBench {
    /// Prints the fields as one JSON object for programs, or the lines for people.
    static func report(asJSON: Bool, _ fields: some Sequence<Fields.Element>, _ lines: [String]) {
        if asJSON {
            let members = fields.map { "\"\($0.key)\":\($0.value)" }
            print("{" + (["\"format\":1"] + members).joined(separator: ",") + "}")
        } else {
            for line in lines { print(line) }
        }
    }
}

/// A number for JSON and for people, with so many digits after the point.
func text(_ value: Double, _ digits: Int = 1) -> String { String(format: "%.\(digits)f", value) }
