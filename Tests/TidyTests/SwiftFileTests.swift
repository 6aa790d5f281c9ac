import Testing

@Suite struct SwiftFileTests {
    private func code(_ text: String) -> [String] { SwiftFile(path: "Sources/MusterCore/A.swift", text: text).code }
    private func comments(_ text: String) -> [String] {
        SwiftFile(path: "Sources/MusterCore/A.swift", text: text).comments
    }

    @Test func commentsAreNoCode() {
        #expect(code("a // b\nc /* d /* e */ f */ g") == ["a     ", "c                   g"])
        #expect(comments("a // b\nc /* d */ g") == ["  // b", "  /* d */  "])
    }

    @Test func whatStringsSayIsNoCode() {
        #expect(code(#"f("print(1) // no", 2)"#) == [#"f("              ", 2)"#])
        #expect(code(##"f(#"a"b"#, g)"##) == [##"f(#"   "#, g)"##])
        #expect(
            code("let a = \"\"\"\n  say \"x\" // y\n  \"\"\"; b") == [
                "let a = \"\"\"", "              ", "  \"\"\"; b",
            ]
        )
        #expect(code(#"f("\"g(", h)"#) == [#"f("    ", h)"#])
    }

    @Test func interpolatedCodeIsCode() {
        #expect(code(#"f("a \(Date(b: ("c"))) d", e)"#) == [#"f("   (Date(b: (" ")))  ", e)"#])
        #expect(code(##"f(#"\(a) \#(b)"#)"##) == [##"f(#"       (b)"#)"##])
    }

    @Test func aQuoteInARegularExpressionEndsWithItsLine() {
        #expect(code("let a = /\"/\nprint(1)").last == "print(1)")
    }

    @Test func explanationsStandOnTheLineOrCloseAboveIt() {
        let file = SwiftFile(path: "Sources/MusterCore/A.swift", text: "// why\na\nb\nc\nd\ne // why")
        #expect((0..<6).map(file.isExplained) == [true, true, true, true, false, true])
    }
}
