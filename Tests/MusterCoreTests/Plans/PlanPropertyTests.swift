import Testing

@testable import MusterCore

@Suite struct PlanPropertyTests {
    /// A random graph of steps, each with its needs.
    private struct Graph {
        var needs: [[StepIndex]] = []
        var threshold: [Int32?] = []
        var afterFailure: [Bool] = []

        init(using chance: inout SeededChance) {
            for index in 0..<Int.random(in: 1...24, using: &chance) {
                let known = Array(StepIndex(0)..<StepIndex(index)).shuffled(using: &chance)
                needs.append(Array(known.prefix(Int.random(in: 0...min(index, 3), using: &chance))))
                let wantsSome = Int.random(in: 0..<5, using: &chance) == 0
                threshold.append(wantsSome ? Int32.random(in: 0...Int32(needs[index].count), using: &chance) : nil)
                afterFailure.append(Int.random(in: 0..<6, using: &chance) == 0)
            }
        }
    }

    @Test(arguments: Seeds.first(400))
    func everyRandomPlanKeepsItsPromises(_ seed: Int) {
        var chance = SeededChance(seed: UInt64(seed))
        let graph = Graph(using: &chance)
        let slots = Int.random(in: 1...4, using: &chance)
        var driver = PlanDriver(slots: slots)
        for index in graph.needs.indices {
            driver.add(
                needs: graph.needs[index],
                threshold: graph.threshold[index],
                startsAfterFailure: graph.afterFailure[index]
            )
        }
        func mayStart(_ step: StepIndex, _ plan: PlanMachine) -> Bool {
            let i = Int(step)
            let met = graph.needs[i].count { need in
                let state = plan.state(of: need)
                return state.satisfiesNeeds || (graph.afterFailure[i] && state.hasEnded)
            }
            return met >= graph.threshold[i].map(Int.init) ?? graph.needs[i].count
        }
        func check(_ new: [StepIndex]) {
            for step in new { #expect(mayStart(step, driver.plan), "seed \(seed): step \(step) started too early") }
            #expect(driver.plan.running <= slots, "seed \(seed): more run than there are slots")
            #expect(driver.plan.running == driver.running.count, "seed \(seed)")
            for state in StepState.allCases {
                let counted = (0..<StepIndex(driver.plan.count)).count { driver.plan.state(of: $0) == state }
                #expect(driver.plan.count(of: state) == counted, "seed \(seed): \(state)")
            }
        }
        check(driver.start())
        var retries = 20
        var waiting: [StepIndex] = []
        while !driver.running.isEmpty || !waiting.isEmpty {
            if let due = waiting.randomElement(using: &chance), driver.running.isEmpty || Bool.random(using: &chance) {
                waiting.removeAll { $0 == due }
                check(driver.retryIsDue(due))
                continue
            }
            let step = driver.running.sorted().randomElement(using: &chance)!
            switch Int.random(in: 0..<10, using: &chance) {
            case 0, 1: check(driver.finish(step, .error))
            case 2: check(driver.finish(step, .skipped))
            case 3 where retries > 0:
                retries -= 1
                driver.retry(step)
                waiting.append(step)
                check(driver.start())
            default: check(driver.finish(step))
            }
        }
        #expect(driver.plan.isDrained, "seed \(seed)")
        for step in 0..<StepIndex(driver.plan.count) {
            // Nothing is lost: whatever could start has run.
            #expect(
                driver.plan.state(of: step).hasEnded == mayStart(step, driver.plan),
                "seed \(seed): step \(step) is \(driver.plan.state(of: step))"
            )
            #expect(driver.starts.count { $0 == step } == Int(driver.plan.tries(of: step)), "seed \(seed)")
        }
    }
}
