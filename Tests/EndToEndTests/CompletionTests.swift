import Testing

/// What a shell is told to complete with.
@Suite struct CompletionTests {
    @Test func namesOfWhatIsThereAreOffered() async throws {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: shop
            groups:
              db: { provision: [ { process: {} } ] }
              app: { count: 2, needs: [db], provision: [ { process: {} } ] }
            """
        )
        func complete(_ words: String...) async throws -> [String] {
            let script = try await Program.muster(["--generate-completion-script", "bash"], in: lab.path)
            #expect(script.output.contains("---completion \(words[1])"), "bash asks for it: \(words[1])")
            let end = try await Program.muster(
                ["---completion", words[1], "--", "positional@0", "\(words.count - 1)", "0"] + words,
                in: lab.path,
                environment: ["SAP_SHELL": "bash", "SAP_SHELL_VERSION": "5"]
            )
            #expect(end.status == 0, "\(end.output)\(end.errors)")
            return end.output.split(separator: "\n").map(String.init)
        }
        #expect(try await complete("muster", "up", "") == ["app", "db"])
        #expect(try await complete("muster", "down", "") == [], "nothing is there, and no state is made")
        #expect(lab.read(".muster/muster.db") == nil)
        #expect(try await Program.muster(["up"], in: lab.path).status == 0)
        #expect(try await complete("muster", "down", "") == ["app", "db"])
        #expect(try await complete("muster", "exec", "") == ["app", "db", "app/0", "app/1", "db/0"])
        let things = try await complete("muster", "why", "")
        #expect(things.contains("app/1") && things.contains { $0.hasPrefix("r-") })
        #expect(try await complete("muster", "up", "--state", "elsewhere", "-f", "other.yaml", "") == ["app", "db"])
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
    }
}
