/// Copies of data with mappings that are reached in several ways: in the copy they are the same ones to each other,
/// and none of them is one of the original.
struct FMFCopies {
    private var cells: [ObjectIdentifier: FMFCell] = [:]
    /// Mappings that were copied.
    var count: Int { cells.values.reduce(0) { $0 + $1.map.count } }

    private var resolved: [ObjectIdentifier: FMFMap] = [:]

    mutating func copy(of map: FMFMap) throws(FMFProblem) -> FMFMap { try copied(map, depth: 0) ?? map }

    /// Nil when there is nothing that must be copied.
    private mutating func copied(_ map: FMFMap, depth: Int) throws(FMFProblem) -> FMFMap? {
        var result: FMFMap?
        for (index, entry) in map.entries.enumerated() {
            guard let value = try copied(entry.value, depth: depth + 1) else { continue }
            if result == nil { result = map }
            result?.put(index, value)
        }
        return result
    }

    private mutating func copied(_ value: FMFValue, depth: Int) throws(FMFProblem) -> FMFValue? {
        try Self.check(depth)
        switch value {
        case .null, .bool, .int, .largeInt, .float, .string, .date: return nil
        case .map(let map): return try copied(map, depth: depth).map { .map($0) }
        case .list(let items):
            var result: [FMFValue]?
            for (index, item) in items.enumerated() {
                guard let item = try copied(item, depth: depth + 1) else { continue }
                if result == nil { result = items }
                result?[index] = item
            }
            return result.map { .list($0) }
        case .shared(let cell):
            if let copy = cells[ObjectIdentifier(cell)] { return .shared(copy) }
            let copy = FMFCell(cell.map)
            cells[ObjectIdentifier(cell)] = copy
            if let map = try copied(cell.map, depth: depth) { copy.map = map }
            return .shared(copy)
        }
    }

    /// The data as plain values, which nobody else changes.
    mutating func resolve(_ map: FMFMap) throws(FMFProblem) -> FMFMap { try resolved(map, depth: 0) ?? map }

    private mutating func resolved(_ map: FMFMap, depth: Int) throws(FMFProblem) -> FMFMap? {
        var result: FMFMap?
        for (index, entry) in map.entries.enumerated() {
            guard let value = try resolved(entry.value, depth: depth + 1) else { continue }
            if result == nil { result = map }
            result?.put(index, value)
        }
        return result
    }

    private mutating func resolved(_ value: FMFValue, depth: Int) throws(FMFProblem) -> FMFValue? {
        try Self.check(depth)
        switch value {
        case .null, .bool, .int, .largeInt, .float, .string, .date: return nil
        case .map(let map): return try resolved(map, depth: depth).map { .map($0) }
        case .list(let items):
            var result: [FMFValue]?
            for (index, item) in items.enumerated() {
                guard let item = try resolved(item, depth: depth + 1) else { continue }
                if result == nil { result = items }
                result?[index] = item
            }
            return result.map { .list($0) }
        case .shared(let cell):
            if let map = resolved[ObjectIdentifier(cell)] { return .map(map) }
            let map = try resolved(cell.map, depth: depth) ?? cell.map
            resolved[ObjectIdentifier(cell)] = map
            return .map(map)
        }
    }

    private static func check(_ depth: Int) throws(FMFProblem) {
        guard depth < FMFText.depthMax else {
            throw FMFProblem("a value contains itself", hint: "an alias was merged into what its anchor names")
        }
    }
}

extension FMFValue {
    /// Whether it is a plain mapping, or holds one directly in lists.
    var holdsMapping: Bool {
        switch self {
        case .map: true
        case .list(let items): items.contains { $0.holdsMapping }
        case .null, .bool, .int, .largeInt, .float, .string, .date, .shared: false
        }
    }

    var isNumber: Bool {
        switch self {
        case .bool, .int, .largeInt, .float: true
        case .null, .string, .date, .list, .map, .shared: false
        }
    }

    /// As Python's `==` has it: `1`, `1.0` and `true` are equal, mappings are whatever the order of their keys.
    func equals(_ other: FMFValue, _ budget: FMFBudget, depth: Int = 0) throws(FMFProblem) -> Bool {
        try budget.spend(1)
        guard depth < FMFText.depthMax else { throw FMFProblem("a value contains itself, through aliases") }
        if let a = map, let b = other.map {
            guard a.count == b.count else { return false }
            for entry in a.entries {
                guard let position = b.position(of: entry.key),
                    try entry.value.equals(b.entries[position].value, budget, depth: depth + 1)
                else { return false }
            }
            return true
        }
        if case .list(let a) = self, case .list(let b) = other {
            guard a.count == b.count else { return false }
            for (a, b) in zip(a, b) where try !a.equals(b, budget, depth: depth + 1) { return false }
            return true
        }
        guard let a = FMFKey(self), let b = FMFKey(other) else { return false }
        return a == b
    }
}
