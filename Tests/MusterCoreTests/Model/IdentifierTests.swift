import MusterCore
import Testing

@Suite struct IdentifierTests {
    @Test func runNamesReadBackAndNeverRepeat() {
        var seen: Set<String> = []
        let edges = [19, 20, 29, 30, 39, 40, 50, 59].flatMap { bits in [-1, 0, 1].map { (Int64(1) << bits) + $0 } }
        for number in Array(Int64(1)...20_000) + edges where number < 1 << 60 {
            let name = RunName(PlanID(number)).description
            #expect(RunName(name)?.plan == PlanID(number))
            seen.insert(name)
        }
        #expect(seen.count == Set(Array(Int64(1)...20_000) + edges.filter { $0 < 1 << 60 }).count)
        #expect(RunName(PlanID(1)).description.count == 6, "r- and four letters while numbers are small")
    }

    @Test func neighbouringRunNamesLookDifferent() {
        let names = (Int64(1)...100).map { RunName(PlanID($0)).description }
        for (a, b) in zip(names, names.dropFirst()) {
            #expect(zip(a, b).count { $0 != $1 } >= 2, "\(a) \(b)")
        }
    }

    @Test(arguments: ["", "r-", "7f3k", "r-7f3", "r-7f3kk", "r-7f3l", "r-7f3u", "r-7f3é", "r-7f3k7f3k7f3k7f", "r 7f3k"])
    func whatIsNoRunNameIsRejected(_ text: String) {
        #expect(RunName(text) == nil)
    }

    @Test func aLongerNameOfASmallNumberIsRejected() throws {
        // Six letters hold 30 bits; those that stand for a number of 20 bits or fewer belong to no run.
        let short = try #require(RunName(RunName(PlanID(5)).description))
        #expect(RunName("r-00" + short.description.dropFirst(2))?.plan != PlanID(5))
        #expect(RunName(RunName(PlanID(7)).description.uppercased().replacingR())?.plan == PlanID(7))
    }

    @Test func operationIDsNameStatePlanStepAndTry() {
        let step = StepID(plan: PlanID(12), index: 3)
        #expect(OperationID(state: "k3x9qa", step: step, attempt: 2).description == "k3x9qa-12-3-2")
    }

    @Test func nodeNamesReadAsTheyAreShown() {
        #expect(NodeName("app/1") == NodeName(group: "app", index: 1))
        #expect(NodeName("app/12")?.description == "app/12")
        for text in ["", "app", "app/", "/1", "app/-1", "app/+1", "app/01", "app/1/2", "app/x"] {
            #expect(NodeName(text) == nil, "\(text)")
        }
    }
}

extension String {
    /// The letters of a name may be of either case, its `r-` is small.
    fileprivate func replacingR() -> String { "r-" + dropFirst(2) }
}
