import MusterReport
import Testing

@Suite struct FirstFailingLineTests {
    private func find(_ head: String, tail: String = "") -> String? {
        FirstFailingLine.find(in: FirstFailingLine.Ends(head: Array(head.utf8), tail: Array(tail.utf8)))
    }

    @Test(arguments: [
        "FAIL: test_total", "test_total ... FAIL", "--- FAIL: TestTotal (0.00s)", "FAILED (failures=1)",
        "BUILD FAILURE", "not ok 3 - total", "not ok", "cart.c:7: error: no such thing", "Error: no cart",
        "AssertionError: 1 != 2", ":: [   FAIL   ] :: Command 'false' (Expected 0, got 1)",
        "a.out: main.c:3: main: Assertion `x' failed.", "assert total == 42", "panic: runtime error",
        "[ 1.2] Kernel panic - not syncing", "thread 'main' panicked at src/main.rs:2", "10 FAILED",
    ])
    func aLineThatTellsOfAFailureIsFound(line: String) {
        #expect(find("begin\nall is well\n\(line)\nthe end\n") == line)
        #expect(find("begin\n", tail: "cut\n\(line)\nthe end\n") == line)
    }

    @Test(arguments: [
        "ok 1 - no panic on error: none", "PASS: FAIL is reported", ":: [   PASS   ] :: no error: found", "# FAIL:  0",
        "failures=0 FAIL=0", "0 FAILED", "FAILSAFE is on", "NO_FAIL=1", "error: 0", "reassert", "+ assert_total 42",
        "not ok 2 - later # TODO some day", "nothing to see",
    ])
    func aLineThatTellsOfNoneIsPassedOver(line: String) {
        #expect(find("begin\n\(line)\nnot ok 7 - this\n") == "not ok 7 - this")
    }

    @Test func ofATracebackTheLastLineIsMeant() {
        let text = """
            start
            Traceback (most recent call last):
              File "a.py", line 3, in <module>
                total()
                ~~~~~^^
            KeyError: 'cart'
            FAIL
            """
        #expect(find(text) == "KeyError: 'cart'")
        #expect(find("Traceback (most recent call last):\n  File \"a.py\", line 3\n") == "  File \"a.py\", line 3")
    }

    @Test func withoutAFailureTheLastLineSpeaks() {
        #expect(find("one\ntwo\n\n   \n") == "two")
        #expect(find("one\nhalf of a li", tail: "ne\nlast\n") == "last")
        #expect(find("") == nil)
        #expect(find("\n \n\t\n") == nil)
    }

    @Test func linesAreAsATerminalShowsThem() {
        #expect(find("\u{1B}[31mFAIL\u{1B}[0m: x\r\n") == "FAIL: x")
        #expect(find("10%\r50%\rerror: disk is full\n") == "error: disk is full")
        #expect(find(String(repeating: "x", count: 100_000))?.hasSuffix("[… truncated, 100000 bytes in all]") == true)
    }

    @Test func whatIsNoUTF8IsRead() {
        let found = FirstFailingLine.find(in: FirstFailingLine.Ends(head: [0xFF, 0xFE, 0x0A, 0x46, 0x41, 0x49, 0x4C]))
        #expect(found == "FAIL")
    }
}
