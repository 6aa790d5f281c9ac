import Foundation
package import MusterCore

extension LibraryKeeper {
    /// Longer than any clone of a library takes.
    private static let timeout: Duration = .seconds(300)

    /// - Parameters:
    ///   - environment: what git runs with; it asks nobody for a password.
    ///   - directory: where it runs.
    package init(environment: [String: String], directory: String, reader: @escaping Reader) {
        // It has no terminal; how it reaches hosts by ssh is the user's.
        let silent = ["GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"]
        let environment = environment.merging(silent) { $1 }
        self.init(
            git: { arguments in
                let command = HostCommand(
                    arguments: ["git"] + arguments,
                    environment: environment,
                    directory: directory,
                    timeout: Self.timeout
                )
                return await command.run(HostTime()).shown
            },
            reader: reader
        )
    }

    /// Fetches libraries for the tests of a run, and keeps them under what is in them: a resumed run uses what it began
    /// with.
    ///
    /// - Returns: where they are, and an archive of them for nodes that have no files of this host.
    package func keep(
        _ needs: [LibraryNeed],
        in state: StateDirectory
    ) async throws(StateError) -> (set: LibrarySet, archive: LabFile, kept: Kept) {
        let partial = "\(state.files)/libraries.\(getpid())"
        let files = FileManager.default
        try? files.removeItem(atPath: partial)
        defer { try? files.removeItem(atPath: partial) }
        do {
            for name in ["into", "clones"] {
                try files.createDirectory(
                    atPath: "\(partial)/\(name)",
                    withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700]
                )
            }
            let kept = await fetch(needs, into: "\(partial)/into", clones: "\(partial)/clones")
            var archive = try FileArchive(state).keepTree("\(partial)/into", without: []).file
            let folder = "\(state.files)/libraries-\(archive.hash.prefix(16))"
            // Somebody else may have kept the same.
            if !files.fileExists(atPath: folder), rename("\(partial)/into", folder) != 0,
                !files.fileExists(atPath: folder)
            {
                throw POSIXError(.init(rawValue: errno) ?? .EIO)
            }
            archive.path = folder
            return (LibrarySet(needs: needs, folder: folder, flaw: kept.flaw), archive, kept)
        } catch let error as StateError {
            throw error
        } catch {
            throw StateError("libraries cannot be kept in \(state.files): \(error)")
        }
    }
}
