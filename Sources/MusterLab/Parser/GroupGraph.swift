/// Which group needs which, by index, in flat arrays. Everything here is linear in groups and needs.
struct GroupGraph {
    /// The needs of each group, without unknown groups and without itself.
    let needs: [[Int]]

    /// Each group after all it needs, otherwise in the order of the file. Only for graphs without cycles.
    func ordered() -> [Int] {
        var order: [Int] = []
        var state = [UInt8](repeating: 0, count: needs.count)  // 1: on the way, 2: done
        var stack: [(group: Int, next: Int)] = []
        for root in needs.indices where state[root] == 0 {
            stack.append((root, 0))
            state[root] = 1
            while let (group, next) = stack.last {
                if next < needs[group].count {
                    stack[stack.count - 1].next += 1
                    let need = needs[group][next]
                    if state[need] == 0 {
                        state[need] = 1
                        stack.append((need, 0))
                    }
                } else {
                    state[group] = 2
                    order.append(group)
                    stack.removeLast()
                }
            }
        }
        return order
    }

    /// One cycle of each set of groups that need each other: a shortest one through the set's first group, which it
    /// begins with.
    func cycles() -> [[Int]] {
        let component = components()
        var first: [Int: Int] = [:]
        var size: [Int: Int] = [:]
        for group in needs.indices {
            size[component[group], default: 0] += 1
            if first[component[group]] == nil { first[component[group]] = group }
        }
        return first.filter { size[$0.key, default: 0] > 1 }.values.sorted().map {
            shortestCycle(through: $0, component)
        }
    }

    private func shortestCycle(through start: Int, _ component: [Int]) -> [Int] {
        var cameFrom: [Int: Int] = [:]
        var queue = [start]
        var head = 0
        while head < queue.count {
            let group = queue[head]
            head += 1
            for need in needs[group] where component[need] == component[start] {
                if need == start {
                    var path = [group]
                    while let before = cameFrom[path[path.count - 1]] { path.append(before) }
                    return path.reversed()
                }
                guard cameFrom[need] == nil else { continue }
                cameFrom[need] = group
                queue.append(need)
            }
        }
        return [start]
    }

    /// The strongly connected component of each group (Tarjan's algorithm with a stack of its own).
    private func components() -> [Int] {
        var number = [Int](repeating: -1, count: needs.count)
        var low = number
        var component = number
        var open: [Int] = []
        var counter = 0
        var found = 0
        var stack: [(group: Int, next: Int)] = []
        for root in needs.indices where number[root] < 0 {
            stack.append((root, 0))
            while let (group, next) = stack.last {
                if next == 0 {
                    number[group] = counter
                    low[group] = counter
                    counter += 1
                    open.append(group)
                }
                if next < needs[group].count {
                    stack[stack.count - 1].next += 1
                    let need = needs[group][next]
                    if number[need] < 0 {
                        stack.append((need, 0))
                    } else if component[need] < 0 {
                        low[group] = min(low[group], number[need])
                    }
                    continue
                }
                stack.removeLast()
                if let below = stack.last?.group { low[below] = min(low[below], low[group]) }
                guard low[group] == number[group] else { continue }
                while let member = open.popLast() {
                    component[member] = found
                    if member == group { break }
                }
                found += 1
            }
        }
        return component
    }
}
