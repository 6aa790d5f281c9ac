import MusterCore
import MusterStore

/// Finds the step of a program's plan that people mean: `r-7f3k:3`, its number as `muster status r-7f3k` shows it, or
/// `r-7f3k:charge`, its action's name where only one has it.
struct StepLookup {
    let store: any Store

    struct Found {
        let row: PlanRow
        let step: StepRow
        let label: String
    }

    func find(_ text: String) throws -> Found {
        let parts = text.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, RunName(parts[0]) != nil else {
            throw CLIError("'\(text)' is not the name of a step; they look like r-7f3k:3 (run and number of the step)")
        }
        let lookup = RunLookup(store: store)
        let row = try lookup.find(String(parts[0]))
        guard let spec = try lookup.read({ () throws(StoreError) in try store.spec(of: row.id) }) else {
            throw CLIError("run \(parts[0]) has no request any more")
        }
        guard spec.program != nil else {
            throw CLIError(
                "run \(parts[0]) is one of a lab: what failed in it is tried again by: muster resume \(parts[0])"
            )
        }
        let steps = try lookup.read { () throws(StoreError) in try store.steps(of: row.id) }
        let name = String(parts[1])
        let matches: [StepRow]
        if let number = Int(name) {
            matches = steps.indices.contains(number - 1) ? [steps[number - 1]] : []
        } else {
            matches = steps.filter { spec.label(of: $0.spec) == name }
        }
        guard let step = matches.first else {
            throw CLIError("run \(parts[0]) has no step '\(name)': muster status \(parts[0])")
        }
        guard matches.count == 1 else {
            let numbers = matches.prefix(5).map { String($0.index + 1) }.joined(separator: ", ")
            throw CLIError("run \(parts[0]) has several steps '\(name)': \(numbers); say which by its number")
        }
        return Found(row: row, step: step, label: spec.label(of: step.spec))
    }
}
