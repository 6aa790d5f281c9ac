import Dispatch
import Foundation
import MusterCore
import MusterReport
import Synchronization
import Testing

@Suite struct ResultsWriterTests {
    private let folder: TemporaryFolder
    private let run = RunName(PlanID(1))
    private let allFiles = [
        "junit.xml", "report.html", "results.atex.jsonl", "results.atex.jsonl.gz", "results.jsonl", "results.tap",
        "results.yaml",
    ]

    init() throws { folder = try TemporaryFolder() }

    private func writer(
        _ directory: String? = nil,
        run plan: Int64 = 1,
        formats: Set<ResultFormat> = Set(ResultFormat.allCases)
    ) -> ResultsWriter {
        ResultsWriter(
            directory: directory ?? folder.path + "/lab/results",
            run: RunName(PlanID(plan)),
            formats: formats
        )
    }

    private func listing(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }

    private func latest(_ writer: ResultsWriter) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: writer.directory + "/latest")
    }

    @Test func formatsAreWrittenUnderFurtherNamesToo() throws {
        let more = [
            ResultFile(.junit, name: "ours.xml"), ResultFile(.junit, name: "../out.xml"),
            ResultFile(.junit, name: "report.html"), ResultFile(.tap, name: "not-written"),
        ]
        let writer = ResultsWriter(directory: folder.path + "/r", run: run, formats: [.junit, .html], more: more)
        try writer.write(Samples.shop)
        #expect(try listing(writer.folder) == ["junit.xml", "ours.xml", "report.html"])
        #expect(try listing(folder.path + "/r").sorted() == ["latest", "\(run)"].sorted())
        let files = try ["junit.xml", "ours.xml"].map { try folder.read("r/\(run)/\($0)") }
        #expect(files[0] == files[1])
        #expect(writer.fileNames == ["junit.xml", "report.html", "ours.xml"])
    }

    @Test func everyFormatIsWrittenAndLatestIsRelative() throws {
        let writer = self.writer()
        try writer.write(Samples.shop)
        #expect(try listing(writer.folder) == allFiles)
        #expect(try latest(writer) == run.description)
        #expect(try listing(writer.directory) == ["latest", run.description])
        #expect(try folder.read("lab/results/latest/results.jsonl") == JSONLinesReport.render(Samples.shop))
        #expect(try folder.read("lab/results/latest/results.tap") == TAPReport.render(Samples.shop))
    }

    @Test func onlyWhatIsWantedIsWritten() throws {
        let one = writer(formats: [.junit])
        try one.write(Samples.shop)
        #expect(try listing(one.folder) == ["junit.xml"])
        let none = writer(folder.path + "/none", formats: [])
        try none.write(Samples.shop)
        #expect(!FileManager.default.fileExists(atPath: none.directory))
    }

    @Test func aSecondWriteReplacesWholeFiles() throws {
        let writer = self.writer()
        try writer.write(Samples.shop)
        let open = try #require(FileHandle(forReadingAtPath: writer.folder + "/results.jsonl"))
        _ = try Data("left by a killed writer".utf8).write(to: URL(fileURLWithPath: writer.folder + "/.junit.xml.new"))
        try writer.write(Samples.interrupted)
        #expect(try folder.read("lab/results/latest/results.jsonl") == JSONLinesReport.render(Samples.interrupted))
        // Who had the file open still reads the old one, whole.
        #expect([UInt8](open.readDataToEndOfFile()) == JSONLinesReport.render(Samples.shop))
        #expect(try listing(writer.folder) == allFiles)
    }

    @Test func writersOfOneRunTakeTurns() throws {
        let writer = self.writer(formats: [.jsonl])
        let report = Samples.one(Samples.attempt(1, .pass))
        let sources = [try folder.write("one", "hello"), try folder.write("two", "world")]
        let failures = Mutex<[ResultsError]>([])
        DispatchQueue.concurrentPerform(iterations: 2_000) { index in
            do throws(ResultsError) {
                if index % 4 < 2 {
                    try writer.write(report)
                } else {
                    let source = sources[index % 2]
                    _ = try writer.place(output: source, suite: "api", test: "t", attempt: 1, name: "x")
                }
            } catch { failures.withLock { $0.append(error) } }
        }
        #expect(failures.withLock { $0 } == [])
        #expect(try folder.read("lab/results/latest/results.jsonl") == JSONLinesReport.render(report))
        #expect(try listing(writer.folder) == ["files", "results.jsonl"])
        #expect(try listing(writer.folder + "/files/api/t/1") == ["x"])
        #expect(try folder.read("one") == Array("hello".utf8) && folder.read("two") == Array("world".utf8))
    }

    @Test func latestFollowsTheLatestRunAndNotTheLastWriter() throws {
        var late = Samples.shop
        late.run = RunName(PlanID(2))
        try writer(run: 2).write(late)
        try writer(run: 1).write(Samples.shop)
        #expect(try latest(writer()) == late.run.description)
        try FileManager.default.removeItem(atPath: writer(run: 2).folder)
        try writer(run: 1).write(Samples.shop)
        #expect(try latest(writer()) == run.description)
    }

    @Test func filesOfAttemptsArePlacedAndLinkedFromTheReports() throws {
        let writer = self.writer()
        let source = try folder.write("output", "hello\n")
        let path = try writer.place(output: source, suite: "api", test: "../x", attempt: 2, name: "output.txt")
        #expect(path == "files/api/=2E./x/2/output.txt")
        // Again, and after the content has changed under another inode.
        _ = try writer.place(output: source, suite: "api", test: "../x", attempt: 2, name: "output.txt")
        #expect(try listing(writer.folder + "/files/api/=2E./x/2") == ["output.txt"])
        let other = try folder.write("other", "world\n")
        _ = try writer.place(output: other, suite: "api", test: "../x", attempt: 2, name: "output.txt")
        #expect(try folder.read("lab/results/\(run)/\(path)") == Array("world\n".utf8))
        #expect(try folder.read("output") == Array("hello\n".utf8))

        try writer.write(Samples.one(Samples.attempt(1, .fail, files: [path])))
        let junit = String(decoding: try folder.read("lab/results/latest/junit.xml"), as: UTF8.self)
        #expect(junit.contains("--- \(path)\nworld\n"))
    }

    @Test func thePageShowsTheFirstFailingLineOfTheOutput() throws {
        let writer = self.writer(formats: [.html])
        let middle = String(repeating: "all is well\n", count: 20_000)
        let source = try folder.write("output", "begin\n\(middle)not ok 3 - late <b>\nend\n")
        let path = try writer.place(output: source, suite: "api", test: "t", attempt: 1, name: "output.txt")
        try writer.write(Samples.one(Samples.attempt(1, .fail, files: [path, "files/none"])))
        let page = String(decoding: try folder.read("lab/results/latest/report.html"), as: UTF8.self)
        #expect(page.contains("<code>not ok 3 - late &lt;b&gt;</code>"))
        // What leads out of the folder is not read.
        try writer.write(Samples.one(Samples.attempt(1, .fail, files: ["files/../../../../output"])))
        let other = String(decoding: try folder.read("lab/results/latest/report.html"), as: UTF8.self)
        #expect(!other.contains("class=\"line\""))
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/shm"), "there is no second file system here"))
    func aCopyIsMadeWhereALinkCannotBe() throws {
        let directory = "/dev/shm/muster-report-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let source = try folder.write("big", String(repeating: "0123456789", count: 50_000))
        let writer = self.writer(directory)
        let path = try writer.place(output: source, suite: "api", test: "t", attempt: 1, name: "big")
        let copy = try Data(contentsOf: URL(fileURLWithPath: "\(writer.folder)/\(path)"))
        #expect([UInt8](copy) == (try folder.read("big")))
    }

    @Test func onlyRegularFilesAreTaken() throws {
        let writer = self.writer()
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: "/etc/passwd")
        for source in ["/link", "/nothing", ""] {
            let error = #expect(throws: ResultsError.self) {
                try writer.place(output: folder.path + source, suite: "api", test: "t", attempt: 1, name: "x")
            }
            #expect(error?.code == .notTaken)
            #expect(error?.message.contains(folder.path + source) == true)
        }
    }

    @Test func aLinkInTheResultsLeadsNowhere() throws {
        let writer = self.writer()
        try writer.write(Samples.shop)
        try FileManager.default.createDirectory(atPath: folder.path + "/elsewhere", withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            atPath: writer.folder + "/files",
            withDestinationPath: folder.path + "/elsewhere"
        )
        let source = try folder.write("output", "hello")
        let error = #expect(throws: ResultsError.self) {
            try writer.place(output: source, suite: "api", test: "t", attempt: 1, name: "x")
        }
        #expect(error?.message.contains("--results DIR") == true)
        #expect(try listing(folder.path + "/elsewhere") == [])
    }

    @Test func errorsNameThePathTheReasonAndTheWayOut() throws {
        let file = try folder.write("plain", "")
        let inside = #expect(throws: ResultsError.self) { try self.writer(file + "/results").write(Samples.shop) }
        #expect(
            inside?.message
                == "cannot make the folder \(file)/results: Not a directory; move away what stands there, "
                + "or write elsewhere with --results DIR"
        )
        let writer = self.writer()
        try FileManager.default.createDirectory(atPath: writer.directory + "/latest", withIntermediateDirectories: true)
        let taken = #expect(throws: ResultsError.self) { try writer.write(Samples.shop) }
        #expect(taken?.code == .inTheWay)
        #expect(taken?.message.contains("latest is not a link that Muster made") == true)
        // What could be written was.
        #expect(try listing(writer.folder).count == 7)
    }

    @Test func aFileThatCannotBeReplacedDoesNotStopTheOthers() throws {
        let writer = self.writer()
        try writer.write(Samples.shop)
        try FileManager.default.removeItem(atPath: writer.folder + "/junit.xml")
        try FileManager.default.createDirectory(
            atPath: writer.folder + "/junit.xml",
            withIntermediateDirectories: false
        )
        let error = #expect(throws: ResultsError.self) { try writer.write(Samples.interrupted) }
        #expect(error?.path == writer.folder + "/junit.xml")
        #expect(try folder.read("lab/results/latest/results.tap") == TAPReport.render(Samples.interrupted))
        #expect(try listing(writer.folder).allSatisfy { !$0.hasPrefix(".") })
    }
}
