import ArgumentParser
import MusterCore

/// What a measured plan looks like: every step does nothing.
enum Shape: String, ExpressibleByArgument, CaseIterable {
    /// Nobody waits for anybody.
    case fan
    /// Each step needs the one before it.
    case chain
    /// As many layers as a layer has steps; each step needs two of the layer before.
    case layers
    /// One, then many that need it, then one that needs all of those, again and again.
    case diamond

    func steps(_ count: Int) -> [PlanSubmission.Step] {
        (0..<count).map { PlanSubmission.Step(StepSpec(.noop), needs: needs(of: $0, among: count)) }
    }

    /// What the step at `index` needs.
    func needs(of index: Int, among count: Int) -> [StepIndex] {
        let width = max(1, Int(Double(count).squareRoot()))
        switch self {
        case .fan: return []
        case .chain: return index == 0 ? [] : [StepIndex(index - 1)]
        case .layers:
            guard index >= width else { return [] }
            let above = index - width
            let beside = above % width == width - 1 ? above - width + 1 : above + 1
            return beside == above ? [StepIndex(above)] : [StepIndex(above), StepIndex(beside)]
        case .diamond:
            let place = index % (width + 1)
            let top = index - place
            if place > 0 { return [StepIndex(top)] }
            return top == 0 ? [] : (top - width..<top).map { StepIndex($0) }
        }
    }

    /// How many edges a plan of `count` steps has.
    func edges(_ count: Int) -> Int { (0..<count).reduce(0) { $0 + needs(of: $1, among: count).count } }
}
