import Foundation
package import MusterCore

/// Fetches libraries of beakerlib into a folder as `rlImport` wants them: `TITLE/NAME/lib.sh`, with those that they ask
/// for themselves.
package struct LibraryKeeper {
    /// What a library asks for, by the root of its tree and its name there.
    package typealias Reader = (_ root: String, _ name: String) throws -> (packages: PackageNeeds, needs: [LibraryNeed])

    package struct Kept {
        /// Of all libraries together.
        package var packages = PackageNeeds()
        /// Why one that is required is not there; nil when all are.
        package var flaw: String?
        /// Why others are not there.
        package var missing: [String] = []
    }

    private struct Origin: Hashable {
        let url: String
        let ref: String?
    }

    /// No tree of libraries is as large as this: it would go round.
    static let librariesMax = 100

    /// Calls git with arguments; says why it failed.
    let git: ([String]) async -> String?
    let reader: Reader

    /// - Parameters:
    ///   - needs: what a test asks for.
    ///   - folder: is there, and empty.
    ///   - clones: a folder for whole repositories; whoever calls removes it.
    func fetch(_ needs: [LibraryNeed], into folder: String, clones: String) async -> Kept {
        var kept = Kept()
        var open = needs
        var known: [String: LibraryNeed] = [:]
        var repositories: [Origin: Result<String, StepError>] = [:]
        while !open.isEmpty {
            // What is required first: so nothing is known by then as something that may be missing.
            let need = open.remove(at: open.firstIndex(where: \.isRequired) ?? 0)
            let place = need.title + (need.name == "/" ? "" : need.name)
            if let other = known[place] {
                guard (other.url, other.ref, other.path) == (need.url, need.ref, need.path) else {
                    kept.flaw = kept.flaw ?? "two libraries are called '\(place)': \(other.source) and \(need.source)"
                    continue
                }
                continue
            }
            known[place] = need
            do {
                guard known.count <= Self.librariesMax else {
                    throw StepError(.file, "there are more than \(Self.librariesMax)")
                }
                var root = need.path ?? "/"
                if let url = need.url {
                    let origin = Origin(url: url, ref: need.ref)
                    if repositories[origin] == nil {
                        repositories[origin] = await clone(need, url, to: "\(clones)/\(repositories.count)")
                    }
                    let top = try repositories[origin]?.get() ?? clones
                    root = try Self.inside(top, need.path ?? "/")
                }
                let library = try Self.inside(root, need.name)
                guard FileManager.default.fileExists(atPath: library + "/lib.sh") else {
                    throw StepError(.file, "there is no lib.sh in '\(need.name)'")
                }
                let own = try reader(root, need.name)
                try Self.copy(library, to: "\(folder)/\(place)")
                kept.packages.require += own.packages.require.filter { !kept.packages.require.contains($0) }
                kept.packages.recommend += own.packages.recommend.filter { !kept.packages.recommend.contains($0) }
                open += own.needs.map { own in
                    var own = own
                    // What is done without may do without its own.
                    own.isRequired = own.isRequired && need.isRequired
                    return own
                }
            } catch {
                let reason = (error as? StepError)?.message ?? "\(error)"
                let sentence = "library '\(place)' of \(need.source) cannot be had: \(reason)"
                if need.isRequired { kept.flaw = kept.flaw ?? sentence } else { kept.missing.append(sentence) }
            }
        }
        return kept
    }

    private func clone(_ need: LibraryNeed, _ url: String, to folder: String) async -> Result<String, StepError> {
        func failed(_ reason: String) -> Result<String, StepError> {
            .failure(StepError(.file, reason.replacing(url, with: need.source)))
        }
        if let reason = await git(["clone", "--quiet", "--no-checkout", "--", url, folder]) { return failed(reason) }
        var commit = "HEAD"
        if let ref = need.ref {
            // A branch of the repository, or a tag or commit.
            commit = "refs/remotes/origin/\(ref)"
            if await git(["-C", folder, "rev-parse", "--quiet", "--verify", commit + "^{commit}"]) != nil {
                commit = ref
            }
        }
        let checkout = ["-C", folder, "checkout", "--quiet", "--detach", commit, "--"]
        if let reason = await git(checkout) { return failed(reason) }
        return .success(folder)
    }

    /// A folder below another, wherever links lead.
    static func inside(_ root: String, _ path: String) throws(StepError) -> String {
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard let real = realpath(root, nil) else { throw StepError(.file, "there is no folder '\(root)'") }
        defer { free(real) }
        guard let found = realpath(([root] + parts.map(String.init)).joined(separator: "/"), nil) else {
            throw StepError(.file, "there is no '\(path)' in it")
        }
        defer { free(found) }
        let (top, place) = (String(cString: real), String(cString: found))
        guard place == top || place.hasPrefix(top == "/" ? "/" : top + "/") else {
            throw StepError(.file, "'\(path)' leads out of it")
        }
        return place
    }

    /// Copies a folder with what is in it, but no repository. Libraries may lie in each other.
    private static func copy(_ source: String, to target: String) throws {
        let files = FileManager.default
        try files.createDirectory(atPath: target, withIntermediateDirectories: true)
        for name in try files.contentsOfDirectory(atPath: source) where name != ".git" {
            let (from, to) = ("\(source)/\(name)", "\(target)/\(name)")
            var isFolder: ObjCBool = false
            let isLink = (try? files.destinationOfSymbolicLink(atPath: from)) != nil
            if !isLink, files.fileExists(atPath: from, isDirectory: &isFolder), isFolder.boolValue {
                try copy(from, to: to)
            } else if (try? files.attributesOfItem(atPath: to)) == nil {
                try files.copyItem(atPath: from, toPath: to)
            }
        }
    }
}
