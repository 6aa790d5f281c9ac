/// Labs with a `lifetime`: whatever happens, they are taken down when it ends, by whoever conducts then.
extension Director {
    /// Takes down the labs whose time has come, and goes on with what took them down before and was interrupted.
    mutating func endLifetimes(into turn: inout Turn) {
        guard let next = expiries.nextDue, next <= turn.now else { return }
        for (lab, plan) in expiries.due(at: turn.now) {
            expiries.wasTakenDown(lab, at: turn.now)
            if let present = end(of: lab) {
                if present.isHeld || present.plan.row.state == .paused { resume(present.id, into: &turn) }
                continue
            }
            guard let spec = context.specs[plan] else { continue }
            takeDown(spec, into: &turn)
        }
    }

    private mutating func takeDown(_ expired: RunSpec, into turn: inout Turn) {
        var spec = RunSpec(
            verb: .down,
            lab: expired.lab,
            labFile: expired.labFile,
            labDirectory: expired.labDirectory
        )
        spec.parallel = expired.parallel
        // Nobody is there to be asked: an undo that fails is told and passed over.
        spec.downOptions = DownOptions(forces: true)
        let reason = "the lifetime of lab \(expired.lab) has ended"
        submit("lifetime-\(expired.lab)-\(turn.now.rawValue)", spec, reason: reason, into: &turn)
    }

    /// Whether a new run has to wait until what its lab had is gone, as its lifetime is over.
    mutating func awaitsEnd(of lab: String, into turn: inout Turn) -> Bool {
        guard expiries.isOver(lab, at: turn.now) else { return false }
        expiries.lookAtOnce(lab)
        endLifetimes(into: &turn)
        return end(of: lab) != nil
    }

    /// The unfinished run that takes down all of a lab.
    private func end(of lab: String) -> RunMachine? {
        runs.values.first { run in
            run.spec.takesDownAll && run.spec.lab == lab && !run.plan.row.state.isFinal
        }
    }
}
