import MusterCore
import Testing

@testable import MusterCLI

@Suite struct TerminalTextTests {
    @Test func nothingATerminalWouldObeyGetsThrough() {
        let evil =
            "\u{1B}]0;owned\u{07}\u{1B}[2J\u{9B}31m\u{85}a\u{202E}b\u{2066}\u{200B}\u{FEFF}\u{7F}\r\n\0\tc\u{2028}\u{E0041}"
        let clean = TerminalText.clean(evil, ascii: false)
        for scalar in clean.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: Issue.record("\(scalar.value) is left")
            default: continue
            }
        }
        #expect(clean.hasPrefix("␛]0;owned␇␛[2J\u{FFFD}31m"))
        let ascii = TerminalText.clean(evil, ascii: true)
        #expect(ascii.hasPrefix("^[]0;owned^G^[[2J?31m?a?b"))
        #expect(ascii.unicodeScalars.allSatisfy { (0x20..<0x7F).contains($0.value) })
        #expect(TerminalText.clean("über 界 👩‍👩‍👧", ascii: false) == "über 界 👩‍👩‍👧")
        #expect(TerminalText.clean("a\u{2026} \u{2013} \u{201C}x\u{201D}", ascii: true) == "a... - \"x\"")
    }

    @Test func veryLongTextIsBounded() {
        let text = TerminalText.clean(String(repeating: "x", count: 1_000_000), ascii: false)
        #expect(text.utf8.count < 5000 && text.hasSuffix("…"))
    }

    @Test func evilLabsReachNeitherScreenNorLog() {
        let evil = "\u{1B}[31mevil\u{1B}]52;c;eA==\u{07}\n\r\u{9B}2J"
        var spec = TerminalLab.shopTests()
        spec.lab = evil
        for index in spec.groups.indices {
            spec.groups[index].name += evil
            for step in spec.groups[index].steps.indices { spec.groups[index].steps[step].name = evil }
            spec.groups[index].needs = []
            spec.groups[index].onFailure = .fail
        }
        spec.suites[0].name = evil
        spec.suites[0].group = spec.groups[2].name
        spec.suites[0].needs = []
        for index in spec.suites[0].tests.indices { spec.suites[0].tests[index].name += evil }
        var stage = TerminalStage(spec) { label, _ in
            label.hasPrefix("web") ? (.seconds(1), .failed(StepError(.refused, evil))) : TerminalLab.tested(label, 1)
        }
        stage.lose(NodeName(group: spec.groups[2].name, index: 1), after: .milliseconds(2500), reason: evil)
        for length in stride(from: 0, to: 70_000, by: 900) {
            stage.run(until: .milliseconds(length))
            let frame = Screen.frame(stage.progress, width: 120, height: 60, style: .unicode)
            for line in frame + stage.lines + stage.progress.statusLines() {
                #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) })
            }
        }
        #expect(stage.lines.contains { $0.contains("␛[31mevil") })
    }

    @Test func widthsAreColumns() {
        #expect(TerminalText.width("abc") == 3)
        #expect(TerminalText.width("界") == 2)
        #expect(TerminalText.width("e\u{301}") == 1)
        #expect(TerminalText.width("✘") == 1 && TerminalText.width("█") == 1 && TerminalText.width("↻") == 1)
        #expect(TerminalText.width("👩‍👩‍👧") == 2 && TerminalText.width("🇩🇪") == 2)
        #expect(TerminalText.width("ｆｕｌｌ") == 8)
    }

    @Test func cuttingNeverExceedsAndShowsThatItCut() {
        for text in ["short", "a much longer text than that", "界界界界界界", "a界b界c界d"] {
            for width in 0..<32 {
                for ascii in [false, true] {
                    let cut = TerminalText.cut(text, to: width, ascii: ascii)
                    let short = TerminalText.shortened(text, to: width, ascii: ascii)
                    #expect(TerminalText.width(cut) <= width && TerminalText.width(short) <= width)
                    if width >= TerminalText.width(text) { #expect(cut == text && short == text) }
                }
            }
        }
        #expect(TerminalText.cut("abcdef", to: 4, ascii: false) == "abc…")
        #expect(TerminalText.shortened("abcdefgh", to: 5, ascii: false) == "ab…gh")
        #expect(TerminalText.shortened("abcdefgh", to: 6, ascii: true) == "ab...h")
    }

    @Test func linesAreCutAcrossColours() {
        let style = TerminalStyle.color
        var line = ScreenLine(style, "red ", .red)
        line.add("界界")
        line.add(" tail", .dim)
        #expect(line.text(columns: 20) == "\u{1B}[31mred \u{1B}[0m界界\u{1B}[2m tail\u{1B}[0m")
        #expect(line.text(columns: 8) == "\u{1B}[31mred \u{1B}[0m界…")
        #expect(line.text(columns: 4) == "\u{1B}[31mred…\u{1B}[0m")
        #expect(line.text(columns: 0) == "")
    }

    @Test func spansReadWell() {
        #expect(SpanText.elapsed(.milliseconds(312)) == "0.3s")
        #expect(SpanText.elapsed(.milliseconds(59_999)) == "59.9s")
        #expect(SpanText.elapsed(.seconds(60)) == "01:00")
        #expect(SpanText.elapsed(.seconds(3723)) == "1:02:03")
        #expect(SpanText.elapsed(.seconds(-3)) == "0.0s")
        #expect(SpanText.stamp(.milliseconds(18_740)) == "00:18.7")
        #expect(SpanText.stamp(.milliseconds(36_000_400)) == "10:00:00.4")
        #expect(SpanText.whole(.milliseconds(400)) == "0s")
        #expect(SpanText.whole(.milliseconds(6_900), of: .seconds(120)) == "6s of 2m")
        #expect(SpanText.whole(.seconds(90)) == "1m30s")
    }

    @Test func theStyleFollowsTheEnvironment() {
        func style(_ environment: [String: String], isTTY: Bool = true, flag: Bool = false) -> TerminalStyle {
            TerminalStyle.detect(isTTY: isTTY, environment: environment, noColorFlag: flag)
        }
        let usual = ["TERM": "xterm-256color", "LANG": "en_GB.UTF-8"]
        #expect(style(usual) == .color)
        #expect(style(usual, flag: true) == .unicode)
        #expect(style(usual.merging(["NO_COLOR": "1"]) { $1 }) == .unicode)
        #expect(style(usual.merging(["NO_COLOR": ""]) { $1 }) == .color)
        #expect(style(usual, isTTY: false) == .plain)
        #expect(style(["TERM": "dumb", "LANG": "C.utf8"]) == .plain)
        #expect(!style(["LANG": "C.utf8"]).isLive)
        #expect(style(["TERM": "vt100"]).isASCII)
        #expect(style(["TERM": "vt100", "LANG": "en_GB.UTF-8", "LC_ALL": "C"]).isASCII)
        #expect(style(["TERM": "vt100", "LANG": "en_GB.ISO-8859-1", "LC_CTYPE": "de_DE.utf8@euro"]).isASCII == false)
        #expect(style(["TERM": "vt100", "LC_ALL": "", "LANG": "C.UTF-8"]).isASCII == false)
        #expect(style(["TERM": "vt100", "LANG": "de_DE@euro"]).isASCII)
    }

    @Test func theSizeFallsBackToTheEnvironment() {
        #expect(Terminal.size(from: [:]) == Terminal.Size(columns: 80, rows: 24))
        #expect(Terminal.size(from: ["COLUMNS": "132", "LINES": "50"]) == Terminal.Size(columns: 132, rows: 50))
        #expect(Terminal.size(from: ["COLUMNS": "0", "LINES": "many"]) == .fallback)
        #expect(Terminal.size(of: -1, environment: ["COLUMNS": "99"]) == Terminal.Size(columns: 99, rows: 24))
        #expect(!Terminal.isTTY(-1))
    }
}
