import MusterCore

/// Runs that do something to nodes as a whole: how far each group is.
extension RunProgress {
    /// - Returns: nil for runs of another kind.
    func orderGroups() -> [GroupProgress]? {
        guard let order = spec.order else { return nil }
        var byGroup: [String: [Int32: [StepRow]]] = [:]
        for step in steps {
            switch step.spec.action {
            case .command, .capability:
                guard order.targets.indices.contains(Int(step.spec.a)) else { continue }
                let group = order.targets[Int(step.spec.a)].node.group
                byGroup[group, default: [:]][step.spec.a, default: []].append(step)
            default: continue
            }
        }
        return spec.groups.compactMap { group in
            byGroup[group.name].map { progress(of: group.name, nodes: Array($0.values)) }
        }
    }

    private func progress(of name: String, nodes: [[StepRow]]) -> GroupProgress {
        let all = nodes.joined()
        var group = GroupProgress(name: name, done: 0, total: nodes.count, state: .waiting)
        group.done = nodes.count { $0.allSatisfy(\.state.hasEnded) }
        group.startedAt = all.compactMap(\.startedAt).min()
        if all.contains(where: { $0.state == .running }) {
            group.state = .working
        } else if group.done == group.total {
            let failed = all.count { $0.state == .error }
            group.state = failed > 0 ? .failed : .ready
            if failed > 0 { group.reason = "\(failed) of \(group.total) failed" }
            group.endedAt = all.compactMap(\.endedAt).max()
        } else if group.done > 0 {
            // The rest waits for its batch.
            group.state = .working
        }
        return group
    }
}
