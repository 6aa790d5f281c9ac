import MusterCore
import Testing

@testable import MusterCLI

@Suite struct TerminalScreenTests {
    private static let sizes: [(String, Int, Int, TerminalStyle)] = [
        ("wide", 120, 24, .unicode), ("usual", 80, 24, .unicode), ("narrow", 58, 24, .unicode),
        ("ascii", 80, 24, .ascii),
        ("colour", 120, 24, .color),
    ]

    @Test func bringUp() throws {
        var stage = TerminalStage(TerminalLab.shop(.up), script: TerminalLab.failingTwice())
        var lines: [String] = []
        for (title, length) in [("waiting", 5), ("a retry", 14), ("replacing", 18), ("degraded", 30)] {
            stage.run(until: .seconds(length))
            lines += TerminalGoldens.gallery(stage, Self.sizes.map { ("\(title), \($0.0)", $0.1, $0.2, $0.3) })
        }
        try TerminalGoldens.expect(lines, equals: "screen-up.txt")
    }

    @Test func tests() throws {
        var stage = TerminalStage(TerminalLab.shopTests(), script: TerminalLab.tested)
        stage.lose(NodeName(group: "app", index: 1), after: .milliseconds(3100), reason: "its server ended: exit 139")
        var lines: [String] = []
        for (title, length) in [("running", 3000), ("later", 6200), ("nearly done", 40_000)] {
            stage.run(until: .milliseconds(length))
            lines += TerminalGoldens.gallery(stage, Self.sizes.map { ("\(title), \($0.0)", $0.1, $0.2, $0.3) })
        }
        stage.run(until: .milliseconds(56_400))
        lines += TerminalGoldens.gallery(stage, [("teardown, usual", 80, 24, .unicode)])
        stage.runToEnd()
        lines += TerminalGoldens.gallery(stage, [("end, usual", 80, 24, .unicode)])
        try TerminalGoldens.expect(lines, equals: "screen-test.txt")
    }

    @Test func pausedAndBlocked() throws {
        var spec = TerminalLab.shop(.up)
        spec.groups[2].onFailure = .pause
        var stage = TerminalStage(spec) { label, _ in
            label.contains("app/1:2") ? (.seconds(1), .exit(3)) : (.milliseconds(300), .done)
        }
        stage.runToEnd()
        var lines = TerminalGoldens.gallery(stage, [("paused, usual", 80, 24, .unicode)])
        spec.groups[0].onFailure = .fail
        stage = TerminalStage(spec) { label, _ in
            label.hasPrefix("db/0")
                ? (.seconds(1), .failed(StepError(.notStarted, "./fake-db is not executable"))) : (.seconds(2), .done)
        }
        stage.runToEnd()
        lines += TerminalGoldens.gallery(
            stage,
            [("blocked, wide", 120, 24, .unicode), ("blocked, usual", 80, 24, .unicode)]
        )
        try TerminalGoldens.expect(lines, equals: "screen-stopped.txt")
    }

    @Test func downShowsWhatGoes() throws {
        var up = TerminalStage(TerminalLab.shop(.up)) { _, _ in (.milliseconds(300), .done) }
        up.runToEnd()
        var down = TerminalStage(RunSpec(verb: .down, lab: "shop", labDirectory: "/lab"), after: up) { label, _ in
            (label.hasPrefix("app/1") ? .seconds(4) : .seconds(1), .done)
        }
        down.run(until: .milliseconds(3500))
        var lines = TerminalGoldens.gallery(down, [("taking down, wide", 120, 24, .unicode)])
        down.runToEnd()
        lines += TerminalGoldens.gallery(down, [("down, usual", 80, 24, .unicode)])
        lines += down.lines
        try TerminalGoldens.expect(lines, equals: "screen-down.txt")
    }

    /// Twelve nodes, each with a test that runs, and forty groups: nothing may leave its place or the screen.
    private func crowd(groups: Int = 40) -> TerminalStage {
        var spec = RunSpec(verb: .test, lab: "crowd", labDirectory: "/lab")
        spec.groups = (0..<groups).map { index in
            var group = GroupSpec(name: "group-\(index)", count: index == 0 ? 12 : 1)
            group.steps = [ProvisionStep(.process(run: nil))]
            return group
        }
        var suite = SuiteSpec(name: "all", group: "group-0")
        suite.tests = (0..<40).map { TestSpec(name: "t\($0)", command: .file("t\($0)")) }
        spec.suites = [suite]
        var stage = TerminalStage(spec) { label, _ in
            if label.contains("//") { return (.seconds(2), .exit(label.contains("7") ? 1 : 0)) }
            return label.hasPrefix("group-33/") ? (.seconds(3), .exit(4)) : (.seconds(1), .done)
        }
        stage.run(until: .milliseconds(6500))
        return stage
    }

    @Test func whatDoesNotFitIsCounted() throws {
        let stage = crowd()
        try TerminalGoldens.expect(
            TerminalGoldens.gallery(
                stage,
                [("crowd", 80, 24, .unicode), ("crowd", 120, 10, .ascii), ("crowd", 58, 60, .unicode)]
            ),
            equals: "screen-crowd.txt"
        )
    }

    @Test func everyFrameFitsItsScreen() {
        var stages = [crowd(), crowd(groups: 3)]
        for length in stride(from: 1, to: 60, by: 7) {
            var stage = TerminalStage(TerminalLab.shopTests(), script: TerminalLab.tested)
            stage.lose(NodeName(group: "app", index: 1), after: .milliseconds(3100), reason: "界の終わり 👩‍👩‍👧 é")
            stage.run(until: .seconds(length))
            stages.append(stage)
        }
        for stage in stages {
            for width in [1, 2, 3, 7, 20, 58, 59, 60, 79, 80, 89, 90, 120, 300] {
                for height in [1, 2, 3, 5, 8, 13, 24, 50] {
                    for style in [TerminalStyle.unicode, .ascii] {
                        let frame = Screen.frame(stage.progress, width: width, height: height, style: style)
                        #expect(frame.count <= height && !frame.isEmpty)
                        #expect(frame.allSatisfy { TerminalText.width($0) <= width }, "\(width)x\(height): \(frame)")
                        if style.isASCII { #expect(frame.allSatisfy { $0.allSatisfy(\.isASCII) }) }
                    }
                }
            }
        }
    }

    @Test func groupsKeepTheirOrderAtAnyHeight() {
        let stage = crowd()
        for height in 10..<60 {
            let frame = Screen.frame(stage.progress, width: 80, height: height, style: .unicode)
            let numbers = frame.compactMap { line -> Int? in
                guard line.hasPrefix("  group-") else { return nil }
                let name = line.dropFirst(2).prefix { $0 != " " }
                return name.contains("/") ? nil : Int(name.dropFirst("group-".count))
            }
            #expect(numbers == numbers.sorted())
            #expect(numbers.contains(33), "a failed group is hidden at height \(height)")
        }
    }

    @Test func theScreenBeforeTheFirstLookSaysWhatIsToCome() {
        let frame = Screen.frame(RunProgress(spec: TerminalLab.shopTests()), width: 80, height: 24, style: .unicode)
        #expect(frame.first == "shop · 6 nodes in 4 groups · 8 tests")
        #expect(frame.count { $0.contains("waiting") } == 4)
    }

    @Test func zeroSizesDrawNothing() {
        let progress = RunProgress(spec: TerminalLab.shop(.up))
        #expect(Screen.frame(progress, width: 0, height: 10, style: .unicode).isEmpty)
        #expect(Screen.frame(progress, width: 10, height: 0, style: .unicode).isEmpty)
    }

    @Test func colourOnlyAddsToTheSameText() {
        var stage = TerminalStage(TerminalLab.shopTests(), script: TerminalLab.tested)
        stage.run(until: .seconds(6))
        let plain = Screen.frame(stage.progress, width: 100, height: 30, style: .unicode)
        let painted = Screen.frame(stage.progress, width: 100, height: 30, style: .color)
        #expect(painted.contains { $0.contains("\u{1B}[32m") })
        var emulator = TerminalEmulator(columns: 100, rows: 40)
        for line in painted { emulator.feed(line + "\r\n") }
        #expect(Array(emulator.screen.prefix(plain.count)) == plain)
    }
}
