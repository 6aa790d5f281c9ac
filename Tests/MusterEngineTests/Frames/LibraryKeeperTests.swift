import Foundation
import MusterCore
import MusterTestKit
import Testing

@testable import MusterEngine

/// Libraries of beakerlib, from folders and from repositories of git that the tests make.
@Suite(.enabled(if: TestProgram.isExpected("git"))) struct LibraryKeeperTests {
    private let folder: String

    init() throws {
        folder = try TestFolder.make("libraries")
        for name in ["into", "clones"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
        }
    }

    private func done() { try? FileManager.default.removeItem(atPath: folder) }

    private func write(_ name: String, _ text: String) throws {
        let path = "\(folder)/\(name)"
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private func read(_ name: String) -> String? {
        try? String(contentsOfFile: "\(folder)/into/\(name)", encoding: .utf8)
    }

    private func git(_ arguments: [String], in place: String = "") -> String? {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]
        let path = place.isEmpty ? [] : ["-C", "\(folder)/\(place)"]
        do {
            let end = try SpawnedProgram(
                [try #require(TestProgram.path(of: "git"))] + identity + path + arguments,
                environment: ["PATH": "/usr/bin:/bin", "HOME": folder],
                folder: folder
            )
            return end.status == 0 ? nil : "git: \(end.output)"
        } catch {
            return "\(error)"
        }
    }

    /// A repository with a library in two versions.
    private func repository() throws {
        try write("repo/file/lib.sh", "one\n")
        #expect(git(["init", "--quiet"], in: "repo") == nil)
        #expect(git(["add", "."], in: "repo") == nil && git(["commit", "-qm", "1"], in: "repo") == nil)
        #expect(git(["tag", "v1"], in: "repo") == nil)
        try write("repo/file/lib.sh", "two\n")
        try write("repo/other/lib.sh", "other\n")
        #expect(git(["add", "."], in: "repo") == nil && git(["commit", "-qm", "2"], in: "repo") == nil)
    }

    private func need(_ name: String, _ title: String, ref: String? = nil, isRequired: Bool = true) -> LibraryNeed {
        var need = LibraryNeed(name: name, title: title, isRequired: isRequired)
        (need.url, need.ref) = ("\(folder)/repo", ref)
        return need
    }

    private func fetch(
        _ needs: [LibraryNeed],
        reader: @escaping LibraryKeeper.Reader = { _, _ in (PackageNeeds(), []) }
    ) async -> LibraryKeeper.Kept {
        let keeper = LibraryKeeper(git: { [self] in git($0) }, reader: reader)
        return await keeper.fetch(needs, into: "\(folder)/into", clones: "\(folder)/clones")
    }

    @Test func librariesAreWhereTestsImportThem() async throws {
        defer { done() }
        try repository()
        try write("own/lib.sh", "own\n")
        try write("own/.git/config", "x")
        var own = LibraryNeed(title: "own")
        own.path = "\(folder)/own"
        let kept = await fetch([
            need("/file", "new"), need("/file", "old", ref: "v1"), need("/file", "branch", ref: "main"), own,
        ])
        #expect(kept.flaw == nil && kept.missing == [])
        #expect(["new", "old", "branch"].map { read("\($0)/file/lib.sh") } == ["two\n", "one\n", "two\n"])
        #expect(read("own/lib.sh") == "own\n" && read("own/.git/config") == nil)
    }

    @Test func theirOwnLibrariesAndPackagesComeWithThem() async throws {
        defer { done() }
        try repository()
        let kept = await fetch([need("/file", "a")]) { [self] _, name in
            // They ask for each other.
            name == "/file"
                ? (PackageNeeds(require: ["gcc"]), [need("/other", "a")])
                : (PackageNeeds(require: ["gcc", "make"], recommend: ["x"]), [need("/file", "a")])
        }
        #expect(kept.flaw == nil)
        #expect(kept.packages == PackageNeeds(require: ["gcc", "make"], recommend: ["x"]))
        #expect(read("a/other/lib.sh") == "other\n")
    }

    @Test func whatCannotBeHadIsSaid() async throws {
        defer { done() }
        try repository()
        var gone = need("/", "gone")
        gone.url = "\(folder)/none"
        for (need, reason) in [
            (gone, "library 'gone' of \(folder)/none cannot be had: git: "),
            (
                need("/nothing", "a"),
                "library 'a/nothing' of \(folder)/repo cannot be had: there is no '/nothing' in it"
            ),
            (need("/", "a"), "there is no lib.sh in '/'"), (need("/file", "a", ref: "v9"), "cannot be had: git: "),
        ] {
            let kept = await fetch([need])
            #expect(kept.flaw?.contains(reason) == true, "\(kept.flaw ?? "")")
            var loose = need
            loose.isRequired = false
            try? FileManager.default.removeItem(atPath: "\(folder)/clones/0")
            let without = await fetch([loose])
            #expect(without.flaw == nil && without.missing.first?.contains(reason) == true)
            try? FileManager.default.removeItem(atPath: "\(folder)/clones/0")
        }
        let twice = await fetch([need("/file", "a"), need("/file", "a", ref: "v1")])
        #expect(twice.flaw == "two libraries are called 'a/file': \(folder)/repo and \(folder)/repo")
    }

    @Test func whatALibraryRequiresIsRequiredThoughTheTestOnlyRecommendsIt() async throws {
        defer { done() }
        try repository()
        var gone = need("/", "gone", isRequired: false)
        gone.url = "\(folder)/none"
        let kept = await fetch([need("/file", "a"), gone]) { [gone] _, name in
            var own = gone
            own.isRequired = true
            return (PackageNeeds(), name == "/file" ? [own] : [])
        }
        #expect(kept.flaw?.contains("library 'gone' of \(folder)/none cannot be had") == true, "\(kept)")
    }

    @Test func nothingOutsideOfALibraryIsTaken() async throws {
        defer { done() }
        try write("secret/lib.sh", "secret\n")
        try write("repo/x", "")
        try FileManager.default.createSymbolicLink(atPath: "\(folder)/repo/out", withDestinationPath: "../secret")
        #expect(git(["init", "--quiet"], in: "repo") == nil && git(["add", "."], in: "repo") == nil)
        #expect(git(["commit", "-qm", "1"], in: "repo") == nil)
        // Where the link of the clone leads.
        try FileManager.default.createSymbolicLink(atPath: "\(folder)/clones/secret", withDestinationPath: "../secret")
        let kept = await fetch([need("/out", "a")])
        #expect(kept.flaw?.hasSuffix("cannot be had: '/out' leads out of it") == true, "\(kept.flaw ?? "")")
        #expect(read("a/out/lib.sh") == nil)
    }
}
