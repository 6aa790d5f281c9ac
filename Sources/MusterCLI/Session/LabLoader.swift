import Foundation
import MusterCore
import MusterEngine
import MusterLab
import MusterStore

/// Reads the lab file of a verb; what is wrong with it ends the program with all of it, before anything is started.
struct LabLoader {
    let options: any VerbOptions
    let lab: LabOptions

    /// - Parameter text: of a lab that stands in no file, and is read as if it stood in this folder.
    func load(text: String? = nil) throws -> Lab {
        let values = try lab.values()
        if let text {
            return try known { () throws(LabError) in
                try LabParser.parse(
                    text: text,
                    file: "--fmf",
                    variables: values,
                    environment: Environment.all,
                    files: DiskFileTree(root: options.labDirectory)
                )
            }
        }
        guard FileManager.default.fileExists(atPath: options.labPath) else {
            throw CLIError("there is no \(options.labFile) here; name one with -f, or write one: muster init")
        }
        return try known { () throws(LabError) in
            try LabParser.load(path: options.labFile, variables: values, environment: Environment.all)
        }
    }

    private func known(_ body: () throws(LabError) -> Lab) throws -> Lab {
        do throws(LabError) {
            let lab = try body()
            if !lab.warnings.isEmpty, !options.json { Output.error(DiagnosticRenderer.render(lab.warnings)) }
            return lab
        } catch {
            if options.json { Output.json(DiagnosticsShape(ok: false, diagnostics: error.diagnostics)) }
            throw CLIError(error.description)
        }
    }

    /// The run of a verb over what is selected.
    func spec(_ verb: Verb, of lab: Lab, _ selection: RunSelection) throws -> RunSpec {
        do {
            return try lab.runSpec(verb, selection: selection, directory: options.labDirectory)
        } catch {
            throw CLIError(error.message)
        }
    }
}

/// What is wrong with a lab, for programs.
struct DiagnosticsShape: Encodable {
    var format = 1
    var ok: Bool
    var diagnostics: [Diagnostic]
}

/// Keeps copies of the lab's files that a run uses.
struct LabFiles {
    let session: StateSession

    func keep(_ spec: RunSpec) throws -> [LabFile] {
        let archive = FileArchive(session.state)
        do {
            var files: [LabFile] = []
            for path in spec.paths {
                if let file = try archive.keep(path, labDirectory: spec.labDirectory) { files.append(file) }
            }
            return files
        } catch {
            throw CLIError(error.description, exitCode: ExitCodes.infrastructure)
        }
    }

    /// Fetches the libraries of beakerlib that the tests of a run import. One that cannot be had is an error of those
    /// that cannot do without it. The request comes back with where they are.
    func libraries(for asked: RunSpec) async throws -> RunSpec {
        var spec = asked
        var sets: [LibrarySet] = []
        var packages: [PackageNeeds] = []
        let keeper = LibraryKeeper(
            environment: Environment.forCommands,
            directory: spec.labDirectory,
            reader: { try FMFLibrary.needs($0, $1) }
        )
        for suite in spec.suites.indices {
            for test in spec.suites[suite].tests.indices {
                guard let needs = spec.suites[suite].tests[test].frame?.libraries else { continue }
                if !sets.contains(where: { $0.needs == needs }) {
                    do {
                        let (set, archive, kept) = try await keeper.keep(needs, in: session.state)
                        sets.append(set)
                        packages.append(kept.packages)
                        spec.trees = (spec.trees ?? []).filter { $0.path != archive.path } + [archive]
                        for reason in kept.missing { Output.note("muster: \(reason); tests do without it") }
                    } catch {
                        throw CLIError(error.description, exitCode: ExitCodes.infrastructure)
                    }
                }
                guard let place = sets.firstIndex(where: { $0.needs == needs }), !packages[place].isEmpty else {
                    continue
                }
                let own = spec.suites[suite].tests[test].frame?.packages ?? PackageNeeds()
                let (require, recommend) = (packages[place].require, packages[place].recommend)
                spec.suites[suite].tests[test].frame?.packages = PackageNeeds(
                    require: own.require + require.filter { !own.require.contains($0) },
                    recommend: own.recommend + recommend.filter { !own.recommend.contains($0) }
                )
            }
        }
        spec.libraries = sets.isEmpty ? nil : sets
        return spec
    }

    /// Keeps copies of the trees of fmf whose tests may run on machines elsewhere; nil when there are none. What is
    /// left out of them is said.
    func keepTrees(_ spec: RunSpec) throws -> [LabFile]? {
        let elsewhere = Set(spec.groups.filter { $0.machine?.hasOwnFiles == true }.map(\.name))
        let suites = spec.suites.filter { !elsewhere.isDisjoint(with: $0.groups) }
        let trees = Set(suites.flatMap(\.tests).compactMap(\.frame?.tree))
        guard !trees.isEmpty else { return nil }
        let archive = FileArchive(session.state)
        do {
            return try trees.sorted().map { tree throws(StateError) in
                let kept = try archive.keepTree(tree, without: spec.resultsDirectory.map { [$0] } ?? [])
                for reason in kept.leftOut { Output.note("muster: not copied to machines: \(reason)") }
                return kept.file
            }
        } catch {
            throw CLIError(error.description, exitCode: ExitCodes.usage)
        }
    }
}
