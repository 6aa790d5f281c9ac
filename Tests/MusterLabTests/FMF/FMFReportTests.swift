import MusterCore
import Testing

@testable import MusterLab

/// What a plan wants its results to be written as.
@Suite struct FMFReportTests {
    private func suite(_ report: String) throws -> FMFSuite {
        let tree = try FMFTestTree(["t.fmf": "test: x\n", "plan.fmf": "execute: {how: tmt}\nreport: \(report)\n"])
        return try FMFSuite(at: tree.root, FMFSelection(), plan: "/plan")
    }

    @Test func filesOfReportsAreNamesInTheResults() throws {
        #expect(try suite("{how: display}").reports == [])
        #expect(try suite("{how: html, summary: x}").reports == [ResultFile(.html)])
        #expect(try suite("{how: junit, file: junit.xml}").reports == [ResultFile(.junit)])
        let several = try suite(
            "[{how: junit, file: ours.xml}, {how: html, file: all.html, open: true}, {how: reportportal}, "
                + "{how: polarion, file: x}, {how: junit, enabled: false, file: no.xml}, {how: junit, file: ours.xml}]"
        )
        #expect(several.reports == [ResultFile(.junit, name: "ours.xml"), ResultFile(.html, name: "all.html")])
        #expect(
            several.ignored == [
                "report: how: polarion (1)", "report: how: reportportal (1)", "report: html: open (1)",
            ]
        )
    }

    @Test func namesThatCouldOverwriteSomethingAreNotTaken() throws {
        for (name, flaw) in [
            ("/tmp/x.xml", "it leads out of the folder of the results"),
            ("../x.xml", "it leads out of the folder of the results"), (".x", "it is no name of a file"),
            ("''", "it is no name of a file"), ("files", "something else of the results has that name"),
            ("report.html", "something else of the results has that name"),
        ] {
            let suite = try suite("{how: junit, file: \(name)}")
            #expect(suite.reports == [ResultFile(.junit)], "\(name)")
            #expect(suite.ignored.first?.contains(flaw) == true, "\(name): \(suite.ignored)")
        }
        #expect(throws: FMFError.self) { try suite("{how: junit, file: [a]}") }
    }

    @Test func whatPlansWantIsWrittenBesidesWhatTheLabSays() throws {
        var lab = try parse(sampleLab)
        lab.resultFormats = [.jsonl]
        lab.groups = [GroupSpec(name: "g")]
        var suites = ["a", "b"].map { name in
            var suite = Lab.Suite(spec: SuiteSpec(name: name, group: "g"), flakyFails: false, place: "")
            suite.spec.tests = [TestSpec(name: "t", command: .run(Template("x")))]
            suite.reports = [ResultFile(.html), ResultFile(.junit, name: "ours.xml")]
            return suite
        }
        lab.suites = suites
        let spec = try lab.runSpec(.test, directory: "/lab")
        #expect(spec.resultFormats == [.jsonl, .junit, .html])
        #expect(spec.resultFiles == [ResultFile(.junit, name: "ours.xml")])
        lab.resultFormats = []
        #expect(try lab.runSpec(.test, directory: "/lab").resultsDirectory != nil)
        suites[1].reports = [ResultFile(.html, name: "ours.xml")]
        lab.suites = suites
        #expect(throws: SelectionError.self) { try lab.runSpec(.test, directory: "/lab") }
    }
}
