import MusterCore
import Testing

@testable import MusterLab

/// Libraries of beakerlib that tests ask for.
@Suite struct FMFLibraryTests {
    private func test(_ keys: String) throws -> (root: String, frame: TestFrame?) {
        let tree = try FMFTestTree(["main.fmf": "test: ./x\n\(keys)\n"])
        let suite = try FMFSuite(try tree.read(), FMFSelection())
        #expect(suite.ignored == [])
        return (tree.root, suite.tests.first?.frame)
    }

    @Test func librariesAreReadAsTheyAreNamed() throws {
        let keys = """
            require:
              - gcc
              - {type: library, url: 'https://x/y/example.git', name: /file}
              - {url: 'https://x/y/openssl', ref: v1, path: /sub, nick: ssl}
              - {type: library, path: libs/own, name: /a//b}
              - {type: file, pattern: /x}
            recommend: {type: library, path: /opt/other}
            """
        let (root, frame) = try test(keys)
        var wanted = [
            LibraryNeed(name: "/file", title: "example"), LibraryNeed(title: "ssl"),
            LibraryNeed(name: "/a/b", title: "own"), LibraryNeed(title: "other", isRequired: false),
        ]
        wanted[0].url = "https://x/y/example.git"
        (wanted[1].url, wanted[1].ref, wanted[1].path) = ("https://x/y/openssl", "v1", "/sub")
        wanted[2].path = root + "/libs/own"
        wanted[3].path = "/opt/other"
        #expect(frame?.libraries == wanted)
        #expect(frame?.packages == PackageNeeds(require: ["gcc"]))
        #expect(try test("require: gcc").frame?.libraries == nil)
    }

    @Test func whatCannotBeALibraryIsToldWithItsPlace() throws {
        for (library, message) in [
            ("{url: '--upload-pack=x'}", "'url' of require of / is a text that does not begin with '-'"),
            ("{url: u, ref: '-x'}", "'ref' of require of /"), ("{url: u, name: x}", "it begins with '/'"),
            ("{url: u, name: /../x}", "leads out of the library's tree"), ("{url: u, path: /a/../..}", "leads out of"),
            ("{url: 'https://x/', nick: ../x}", "is no name to import a library by"),
            ("{url: u, nick: .git}", "is no name to import a library by"),
        ] {
            let tree = try FMFTestTree(["main.fmf": "test: x\nrequire: [\(library)]\n"])
            let error = try #require(throws: FMFError.self) { try FMFSuite(try tree.read(), FMFSelection()) }
            #expect(error.diagnostics.first?.line == 2, "\(library)")
            #expect(error.description.contains(message), "\(library): \(error)")
        }
    }

    @Test func aLibraryThatIsNowhereIsNotedAndNothingElse() throws {
        let tree = try FMFTestTree(["main.fmf": "test: x\nrequire: [{type: library, name: /x}, gcc]\n"])
        let suite = try FMFSuite(try tree.read(), FMFSelection())
        #expect(suite.ignored == ["require: library without a url (1)"])
        #expect(suite.tests.first?.frame?.packages == PackageNeeds(require: ["gcc"]))
    }

    @Test func aLibrarySaysWhatItAsksFor() throws {
        let tree = try FMFTestTree(["file/main.fmf": "require: [gcc, {url: u, name: /x}]\nrecommend: make\n"])
        let own = try FMFLibrary.needs(tree.root, "/file")
        #expect(own.packages == PackageNeeds(require: ["gcc"], recommend: ["make"]))
        #expect(own.needs.map(\.name) == ["/x"])
        #expect(try FMFLibrary.needs(tree.root, "/none").needs == [])
        #expect(throws: FMFError.self) { try FMFLibrary.needs(tree.root + "/file", "/") }
    }

    @Test func secretsInAddressesAreNotShown() {
        var need = LibraryNeed(title: "x")
        need.url = "https://me:secret@host/x@y"
        #expect(need.source == "https://host/x@y")
        need.url = "https://host/a@b"
        #expect(need.source == "https://host/a@b")
    }
}
