/// A file of results that is asked for by a name of its own, besides the format's own one.
package struct ResultFile: Hashable, Sendable, Codable {
    package var format: ResultFormat
    /// One name in the folder of the run's results; nil for the format's own.
    package var name: String?

    package init(_ format: ResultFormat, name: String? = nil) {
        self.format = format
        self.name = name
    }

    /// Why a name is none for a file of results of this format; nil when it is one.
    package static func flaw(of name: String, for format: ResultFormat) -> String? {
        if name.contains("/") { return "it leads out of the folder of the results" }
        let isPlain = !name.isEmpty && name.utf8.count <= 200 && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        // Files that begin with a dot are those that are being written.
        guard isPlain, !name.hasPrefix(".") else { return "it is no name of a file" }
        let others = ResultFormat.allCases.filter { $0 != format }.map(\.fileName) + ["files"]
        return others.contains(name) ? "something else of the results has that name" : nil
    }
}

extension ResultFormat {
    /// The name of its file in the folder of a run.
    package var fileName: String {
        switch self {
        case .jsonl: "results.jsonl"
        case .junit: "junit.xml"
        case .tap: "results.tap"
        case .html: "report.html"
        case .tmt: "results.yaml"
        case .atex: "results.atex.jsonl"
        case .atexGzip: "results.atex.jsonl.gz"
        }
    }
}
