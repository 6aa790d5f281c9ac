import Foundation
import MusterTestKit
import Testing

/// Libraries of beakerlib that tests of trees import, by the built program.
@Suite struct FMFLibraryTests {
    @Test(.timeLimit(.minutes(3))) func testsFindTheirLibraries() async throws {
        let lab = try LabFolder()
        try lab.write("tree/.fmf/version", "1\n")
        try lab.write("library/.fmf/version", "1\n")
        try lab.write("library/file/lib.sh", "one=1\n")
        try lab.write("library/file/main.fmf", "require: { type: library, path: \(lab.path)/library, name: /other }\n")
        try lab.write("library/other/lib.sh", "two=2\n")
        try lab.write(
            "tree/t.fmf",
            """
            /there:
              test: |
                . "$BEAKERLIB_LIBRARY_PATH/library/file/lib.sh"
                . "$BEAKERLIB_LIBRARY_PATH/library/other/lib.sh"
                test $one$two = 12
              require: { type: library, path: ../library, name: /file }
            /gone:
              test: "true"
              result: xfail
              require: { type: library, url: \(lab.path)/none, name: /file }
            /loose:
              test: "true"
              recommend: { type: library, url: \(lab.path)/none, name: /file }
            """
        )
        let end = try await Program.muster(["test", "--fmf", "tree"], in: lab.path)
        #expect(try lab.outcomes() == ["/t/there": "pass", "/t/gone": "error", "/t/loose": "pass"], "\(end.output)")
        #expect(end.output.contains("library 'none/file' of \(lab.path)/none cannot be had"), "\(end.output)")
        #expect(end.errors.contains("tests do without it"), "\(end.errors)")
        #expect(lab.processes() == [])
    }
}
