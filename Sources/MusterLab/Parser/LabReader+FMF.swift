import Foundation
internal import MusterCore

extension LabReader {
    /// Takes the tests of an fmf tree into a suite. Whether all of them are known now.
    mutating func discoverTree(_ index: Int, _ entry: YamlNode.Entry) -> Bool {
        let errors = sink.errorCount
        guard let fields = fields(entry.value, LabKeys.fmf, of: "'fmf'", at: entry.keySpan) else { return false }
        let path = fields["path"].flatMap { text($0, wants: "the folder of a tree") } ?? "."
        let filters = texts(fields["filter"], wants: "filters such as \"tag: slow\"")
        let names = texts(fields["names"], wants: "regular expressions of names")
        let excluded = texts(fields["exclude"], wants: "regular expressions of names")
        let plan = fields["plan"].flatMap { text($0, wants: "the name of a plan") }
        var context: FMFContext?
        if let entry = fields["context"] { context = self.context(entry) }
        // A lab that is not on disk has no trees.
        guard sink.errorCount == errors, let folder = files.folder else { return false }
        let place = path.hasPrefix("/") ? path : "\(folder)/\(path)"
        do throws(FMFError) {
            let suite = try FMFSuite(
                at: place,
                context: context,
                try FMFSelection(names: names, filters: filters),
                excluding: excluded.isEmpty ? nil : try FMFSelection(names: excluded),
                plan: plan
            )
            if suite.tests.isEmpty {
                sink.add(
                    entry.value.span,
                    "no test of \(suite.root) is chosen",
                    hint: "'muster fmf ls' lists what is there"
                )
            }
            suites[index].spec.tests = suite.tests.map { test in
                var test = test
                test.roles = suite.roles(of: test.name)
                return test
            }
            if suite.stopsAtFirst, suites[index].spec.policy?.stopAfter == nil {
                suites[index].spec.policy = suites[index].spec.rules
                suites[index].spec.policy?.stopAfter = 1
            }
            suites[index].spec.nodeRoles = suite.nodeRoles
            suites[index].prepare = suite.prepare
            suites[index].finish = suite.finish
            suites[index].reports = suite.reports
            if !suite.ignored.isEmpty {
                let name = suites[index].spec.name
                sink.warn(entry.keySpan, "suite '\(name)': not honoured are \(suite.ignored.joined(separator: ", "))")
            }
        } catch {
            for diagnostic in error.diagnostics { sink.add(diagnostic) }
        }
        return sink.errorCount == errors
    }

    private mutating func context(_ entry: YamlNode.Entry) -> FMFContext? {
        do throws(FMFRule.Invalid) {
            return try FMFContext(words: texts(entry, wants: "dimensions such as distro=fedora-40"))
        } catch {
            sink.add(entry.value.span, "\(error)")
            return nil
        }
    }

    private mutating func texts(_ entry: YamlNode.Entry?, wants: String) -> [String] {
        entry.map { texts($0, wants: wants, mayBeSingle: true).map(\.text) } ?? []
    }
}
