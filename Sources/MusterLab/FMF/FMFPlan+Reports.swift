import MusterCore

extension FMFPlan {
    /// What a kind of report knows besides its own keys.
    private static let commonKeys = ["how", "name", "summary", "order", "when", "where", "enabled", "id", "link"]

    /// Takes what its results are to be written as. Files stand in the folder of the run's results and nowhere else:
    /// there is nothing that they could overwrite.
    mutating func readReports() throws(FMFError) {
        for part in try subject.parts("report") {
            let how = part["how"]?.string ?? "display"
            guard try isMeant(part, "report") else { continue }
            let format: ResultFormat
            switch how {
            // It is what people are told anyway.
            case "display": continue
            case "junit": format = .junit
            case "html": format = .html
            default:
                tally.note("report: how: \(how)")
                continue
            }
            var file = ResultFile(format)
            for entry in part.data.entries {
                guard case .string(let key) = entry.key, !Self.commonKeys.contains(key) else { continue }
                guard key == "file" else {
                    tally.note("report: \(how): \(key)")
                    continue
                }
                guard let name = part["file"]?.string else { throw part.wrong("file", "is the name of a file") }
                if let flaw = ResultFile.flaw(of: name, for: format) {
                    tally.note("report: \(how): file '\(printable(name))', as \(flaw)")
                } else if name != format.fileName {
                    file.name = name
                }
            }
            if !reports.contains(file) { reports.append(file) }
        }
    }
}
