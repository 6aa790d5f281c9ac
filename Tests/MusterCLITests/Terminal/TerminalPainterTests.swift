import MusterCore
import Synchronization
import Testing

@testable import MusterCLI

@Suite struct TerminalPainterTests {
    /// What the painter has sent and the emulator has made of it.
    private final class Window: Sendable {
        private let state: Mutex<(emulator: TerminalEmulator, writes: Int)>
        init(columns: Int, rows: Int) { state = Mutex((TerminalEmulator(columns: columns, rows: rows), 0)) }
        var emulator: TerminalEmulator { state.withLock { $0.emulator } }
        var writes: Int { state.withLock { $0.writes } }
        func write(_ text: String) {
            state.withLock {
                $0.emulator.feed(text)
                $0.writes += 1
            }
        }
        func painter() -> TerminalPainter { TerminalPainter { self.write($0) } }
    }

    private let size = Terminal.Size(columns: 20, rows: 6)

    @Test func aFrameIsPaintedAndTheCursorRestsBelow() {
        let window = Window(columns: 20, rows: 6)
        window.write("$ muster up\r\n")
        var painter = window.painter()
        painter.paint(["one", "two"], size: size)
        #expect(window.emulator.everything == ["$ muster up", "one", "two"])
        #expect(window.emulator.row == 3 && window.emulator.column == 0)
        #expect(!window.emulator.cursorIsVisible)
        painter.end(keepsFrame: true)
        #expect(window.emulator.cursorIsVisible)
        #expect(window.emulator.row == 3 && window.emulator.column == 0)
        #expect(window.emulator.unknown.isEmpty)
    }

    @Test func onlyChangedLinesAreRepainted() {
        let window = Window(columns: 20, rows: 6)
        var painter = window.painter()
        painter.paint(["alpha", "beta", "gamma"], size: size)
        let before = window.emulator.drawn
        painter.paint(["alpha", "BETA!", "gamma"], size: size)
        #expect(window.emulator.drawn - before == 5)
        #expect(window.emulator.everything == ["alpha", "BETA!", "gamma"])
        let writes = window.writes
        painter.paint(["alpha", "BETA!", "gamma"], size: size)
        #expect(window.writes == writes, "an unchanged frame is not sent")
    }

    @Test func framesGrowAndShrinkAndScrollAtTheBottom() {
        let window = Window(columns: 20, rows: 6)
        for line in 1...4 { window.write("before \(line)\r\n") }
        var painter = window.painter()
        painter.paint(["a", "b"], size: size)
        painter.paint(["a", "b", "c", "d"], size: size)
        #expect(window.emulator.everything == (1...4).map { "before \($0)" } + ["a", "b", "c", "d"])
        painter.paint(["a", "B"], size: size)
        #expect(window.emulator.everything == (1...4).map { "before \($0)" } + ["a", "B"])
        painter.paint(["a", "B", "c"], size: size)
        painter.end(keepsFrame: false)
        #expect(window.emulator.everything == (1...4).map { "before \($0)" })
    }

    @Test func moreLinesThanRowsAreLeftOut() {
        let window = Window(columns: 20, rows: 6)
        var painter = window.painter()
        painter.paint((0..<20).map { "line \($0)" }, size: size)
        painter.paint((0..<20).map { "LINE \($0)" }, size: size)
        #expect(window.emulator.everything == (0..<5).map { "LINE \($0)" })
    }

    @Test func linesThatFillTheirRowKeepTheirLastCharacterAndDoNotWrap() {
        let window = Window(columns: 20, rows: 6)
        var painter = window.painter()
        let full = String(repeating: "x", count: 19) + "Z"
        painter.paint([full, "next"], size: size)
        painter.paint([full, "NEXT"], size: size)
        #expect(window.emulator.everything == [full, "NEXT"])
        let other = String(repeating: "o", count: 19) + "!"
        painter.paint([other, "NEXT"], size: size)
        #expect(window.emulator.everything == [other, "NEXT"])
        // Text that is wider than was measured loses its end, and moves nothing.
        painter.paint([String(repeating: "y", count: 33), "still here"], size: size)
        #expect(window.emulator.screen[1] == "still here")
        painter.end(keepsFrame: true)
        window.write(String(repeating: "w", count: 25))
        #expect(
            window.emulator.everything.suffix(2) == [String(repeating: "w", count: 20), "wwwww"],
            "wrapping is on again"
        )
    }

    @Test func permanentLinesStandAboveTheFrame() {
        let window = Window(columns: 20, rows: 6)
        var painter = window.painter()
        painter.paint(["a", "b", "c"], size: size)
        painter.print(["00:01.0 app/1 lost", String(repeating: "long ", count: 6)], size: size)
        #expect(
            window.emulator.everything == ["00:01.0 app/1 lost", "long long long long", "long long", "a", "b", "c"]
        )
        painter.print([], size: size)
        painter.paint(["a", "b2", "c"], size: size)
        #expect(window.emulator.everything.suffix(3) == ["a", "b2", "c"])
        #expect(!window.emulator.cursorIsVisible)
    }

    @Test func endingTwiceOrWithoutAFrameSendsNothing() {
        let window = Window(columns: 20, rows: 6)
        var painter = window.painter()
        painter.end(keepsFrame: true)
        #expect(window.writes == 0)
        painter.paint(["a"], size: size)
        painter.end(keepsFrame: true)
        let writes = window.writes
        painter.end(keepsFrame: true)
        #expect(window.writes == writes)
    }

    @Test func aNewSizeRepaintsEverything() {
        let window = Window(columns: 20, rows: 6)
        window.write("kept\r\n")
        var painter = window.painter()
        painter.paint(["alpha", "\u{1B}[31mbeta\u{1B}[0m"], size: Terminal.Size(columns: 30, rows: 8))
        painter.paint(["alpha", "beta"], size: size)
        #expect(window.emulator.everything == ["kept", "alpha", "beta"])
        #expect(window.emulator.row == 3)
    }

    @Test func linesPrintedAfterAResizeFindTheFrameWhereItIsNow() {
        let window = Window(columns: 20, rows: 6)
        window.write("kept\r\n")
        var painter = window.painter()
        painter.paint(["alpha", "beta"], size: Terminal.Size(columns: 40, rows: 8))
        painter.print(["said"], size: size)
        painter.paint(["alpha", "BETA"], size: size)
        #expect(window.emulator.everything == ["kept", "said", "alpha", "BETA"])
    }

    @Test func aFrameThatFillsTheScreenLeavesNothingInTheHistory() {
        let window = Window(columns: 20, rows: 4)
        let size = Terminal.Size(columns: 20, rows: 4)
        var painter = window.painter()
        painter.paint(["a", "b", "c"], size: size)
        for number in 1...3 { painter.print(["said \(number)"], size: size) }
        #expect(window.emulator.everything == ["said 1", "said 2", "said 3", "a", "b", "c"])
        painter.end(keepsFrame: false)
        #expect(window.emulator.everything == ["said 1", "said 2", "said 3"])
        #expect(window.emulator.unknown.isEmpty)
    }

    @Test func paintingARunEndsOnItsLastFrame() {
        let window = Window(columns: 100, rows: 30)
        var painter = window.painter()
        var stage = TerminalStage(TerminalLab.shopTests(), script: TerminalLab.tested)
        stage.lose(NodeName(group: "app", index: 1), after: .milliseconds(3100), reason: "gone 界")
        for length in 0..<600 {
            stage.run(until: .milliseconds(100 * length))
            let height = TerminalPainter.height(in: Terminal.Size(columns: 100, rows: 30))
            let frame = Screen.frame(stage.progress, width: 100, height: height, style: .color)
            painter.paint(frame, size: Terminal.Size(columns: 100, rows: 30))
            if length == 300 { painter.print(["said"], size: Terminal.Size(columns: 100, rows: 30)) }
        }
        painter.end(keepsFrame: true)
        let last = Screen.frame(stage.progress, width: 100, height: 29, style: .unicode)
        #expect(window.emulator.everything == ["said"] + last)
        #expect(window.emulator.unknown.isEmpty)
    }
}
