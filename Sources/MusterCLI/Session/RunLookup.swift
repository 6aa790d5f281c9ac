import MusterCore
import MusterStore

/// Finds the run that people mean.
struct RunLookup {
    let store: any Store

    /// The run of this name; the newest one of the lab when none is named.
    func find(
        _ name: String?,
        lab: String? = nil,
        where accepts: (PlanRow) -> Bool = { _ in true },
        what: String = "run"
    )
        throws -> PlanRow
    {
        if let name {
            guard let run = RunName(name) else {
                throw CLIError("'\(name)' is not the name of a run; they look like r-7f3k: muster runs")
            }
            guard let row = try read({ () throws(StoreError) in try store.plan(run.plan) }) else {
                throw CLIError("there is no run \(run) in this state: muster runs")
            }
            return row
        }
        let rows = try read { () throws(StoreError) in try store.plans(lab: lab, limit: 200) }
        guard let row = rows.first(where: accepts) else { throw CLIError("there is no \(what): muster runs") }
        return row
    }

    /// Reads from the store; what fails there ends the program with its message.
    func read<Value>(_ body: () throws(StoreError) -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        }
    }
}
