/// How much merging may do, so that small files cannot grow into endless data.
final class FMFBudget {
    private var left: Int
    static let stepsMax = 10_000_000

    init(steps: Int = FMFBudget.stepsMax) { left = steps }

    func spend(_ steps: Int) throws(FMFProblem) {
        left -= steps
        guard left >= 0 else {
            let hint = "merge less into nodes that have many children, and give them fewer rules"
            throw FMFProblem("the tree's merged data are more than is read", hint: hint)
        }
    }
}

/// What the end of a key says of merging its value into that of the parent.
enum FMFSuffix {
    case replace
    case append
    case prepend
    case remove
    case substitute
    case removeMatching

    /// The suffix of a key, and the key without it. All signs of the suffix go, however often they stand there.
    static func split(_ key: String) -> (suffix: FMFSuffix, root: String) {
        let bytes = key.utf8
        switch bytes.last {
        case UInt8(ascii: "+"): return (.append, root(key, "+"))
        case UInt8(ascii: "<"):
            return bytes.dropLast().last == UInt8(ascii: "+") ? (.prepend, root(key, "+<")) : (.replace, key)
        case UInt8(ascii: "-"): return (.remove, root(key, "-"))
        case UInt8(ascii: "~"):
            let isRemoval = bytes.dropLast().last == UInt8(ascii: "-")
            return isRemoval ? (.removeMatching, root(key, "-~")) : (.substitute, root(key, "~"))
        default: return (.replace, key)
        }
    }

    private static func root(_ key: String, _ signs: String) -> String {
        var key = key[...].unicodeScalars
        while let last = key.last, signs.unicodeScalars.contains(last) { key.removeLast() }
        return String(key)
    }
}

/// Merges what a node says into what it inherits, by the suffixes of its keys.
struct FMFMerge {
    /// The node that is being merged, for messages.
    var node = "/"
    /// Whether mappings may be reached in several ways. Without, copies cost nothing.
    var hasShared = false
    private let budget: FMFBudget
    private var patterns: [String: FMFPatternSource] = [:]

    init(budget: FMFBudget) { self.budget = budget }

    /// Counts work that is done beside merging.
    func spend(_ steps: Int) throws(FMFProblem) { try budget.spend(steps) }

    /// - Parameter isOwn: whether the source is the very mapping that is changed, and its values change meanwhile.
    mutating func apply(_ source: FMFMap, to data: inout FMFMap, isOwn: Bool = false) throws(FMFProblem) {
        for entry in source.entries {
            try budget.spend(1)
            var entry = entry
            if isOwn, let position = data.position(of: entry.key) { entry = data.entries[position] }
            guard case .string(let key) = entry.key else {
                let shown = try FMFText.text(of: entry.key.value)
                let message = "the key '\(shown)' in \(node) is no text"
                throw FMFProblem(message, hint: "put it in quotes", at: entry.place)
            }
            let (suffix, root) = FMFSuffix.split(key)
            if suffix == .replace {
                data.set(entry.key, entry.value, at: entry.place)
                continue
            }
            do throws(FMFProblem) {
                try merge(entry, suffix, .string(root), into: &data)
            } catch {
                throw error.placed(at: entry.place)
            }
        }
    }

    private mutating func merge(
        _ entry: FMFMap.Entry,
        _ suffix: FMFSuffix,
        _ root: FMFKey,
        into data: inout FMFMap
    ) throws(FMFProblem) {
        guard let position = data.position(of: root) else {
            if suffix == .append || suffix == .prepend { data.set(root, entry.value, at: entry.place) }
            return
        }
        // Taken out, so that it is changed in place and not copied first.
        var value = data.take(position)
        do throws(FMFProblem) {
            switch suffix {
            case .replace: value = entry.value
            case .append: try extend(&value, by: entry.value, isFirst: false, entry)
            case .prepend: try extend(&value, by: entry.value, isFirst: true, entry)
            case .remove: try reduce(&value, by: entry.value, entry)
            case .substitute: try substitute(&value, by: entry.value, entry)
            case .removeMatching: try removeMatching(&value, by: entry.value, entry)
            }
        } catch {
            data.put(position, value)
            throw error
        }
        data.put(position, value, at: entry.place)
    }

    private func mismatch(_ entry: FMFMap.Entry, _ reason: String, hint: String = "") -> FMFProblem {
        let key = (try? FMFText.text(of: entry.key.value)) ?? ""
        return FMFProblem("'\(key)' in \(node) cannot be merged: \(reason)", hint: hint, at: entry.place)
    }

    /// Changes a mapping in place, or the one mapping behind all its aliases.
    private mutating func change(
        _ value: inout FMFValue,
        _ body: (inout FMFMerge, inout FMFMap) throws(FMFProblem) -> Void
    ) throws(FMFProblem) {
        switch value {
        case .map(var map):
            value = .null
            do throws(FMFProblem) {
                try body(&self, &map)
            } catch {
                value = .map(map)
                throw error
            }
            value = .map(map)
        case .shared(let cell):
            // A copy: a value that contains itself would be changed twice at once.
            var map = cell.map
            try budget.spend(map.count)
            try body(&self, &map)
            cell.map = map
        case .null, .bool, .int, .largeInt, .float, .string, .date, .list: break
        }
    }

    // MARK: Extending

    private mutating func extend(
        _ value: inout FMFValue,
        by more: FMFValue,
        isFirst: Bool,
        _ entry: FMFMap.Entry
    ) throws(FMFProblem) {
        if case .list(var items) = value, let source = more.map {
            value = .null
            var source = source
            // Every item gets the same mappings.
            if items.count > 1 { source = try shareMappings(in: source) }
            for index in items.indices {
                guard items[index].map != nil else { throw notMapping(items[index], entry) }
                try change(&items[index]) { merge, map throws(FMFProblem) in try merge.apply(source, to: &map) }
            }
            value = .list(items)
        } else if let map = value.map, case .list(let items) = more {
            var results: [FMFValue] = []
            for item in items {
                guard let source = item.map else { throw notMapping(item, entry) }
                try budget.spend(map.count)
                var copies = FMFCopies()
                var copy = hasShared ? try copies.copy(of: map) : map
                try apply(source, to: &copy)
                results.append(.map(copy))
            }
            value = .list(results)
        } else if let source = more.map, value.map != nil {
            var isOwn = false
            if case .shared(let target) = value, case .shared(let own) = more { isOwn = target === own }
            try change(&value) { merge, map throws(FMFProblem) in
                try merge.apply(source, to: &map, isOwn: isOwn)
            }
            if isOwn, value.map?.count != source.count {
                throw mismatch(entry, "a mapping is merged into itself, through an alias, and gets other keys by it")
            }
        } else {
            value = try isFirst ? sum(more, value, entry) : sum(value, more, entry)
        }
    }

    private func notMapping(_ item: FMFValue, _ entry: FMFMap.Entry) -> FMFProblem {
        mismatch(entry, "a list and a mapping merge when the list holds mappings only, and it has \(item.kindWord)")
    }

    private func sum(_ a: FMFValue, _ b: FMFValue, _ entry: FMFMap.Entry) throws(FMFProblem) -> FMFValue {
        switch (a, b) {
        case (.string(let a), .string(let b)):
            try budget.spend((a.utf8.count + b.utf8.count) / 16)
            return .string(a + b)
        case (.list(let a), .list(let b)):
            try budget.spend(a.count + b.count)
            return .list(a + b)
        default: return try number(a, b, entry, { $0 + $1 }, { $0.addingReportingOverflow($1) })
        }
    }

    private func number(
        _ a: FMFValue,
        _ b: FMFValue,
        _ entry: FMFMap.Entry,
        _ float: (Double, Double) -> Double,
        _ int: (Int, Int) -> (partialValue: Int, overflow: Bool)
    ) throws(FMFProblem) -> FMFValue {
        if let a = Self.int(a), let b = Self.int(b) {
            let (result, isTooLarge) = int(a, b)
            guard !isTooLarge else { throw mismatch(entry, "the number gets larger than 64 bits") }
            return .int(result)
        }
        if let a = Self.double(a), let b = Self.double(b) { return .float(float(a, b)) }
        let isLarge = { (value: FMFValue) in if case .largeInt = value { true } else { false } }
        if isLarge(a) || isLarge(b) { throw mismatch(entry, "numbers of more than 64 bits are not calculated with") }
        throw mismatch(entry, "\(a.kindWord) and \(b.kindWord) do not go together", hint: "give both the same type")
    }

    private static func int(_ value: FMFValue) -> Int? {
        switch value {
        case .int(let number): number
        case .bool(let flag): flag ? 1 : 0
        case .null, .largeInt, .float, .string, .date, .list, .map, .shared: nil
        }
    }

    private static func double(_ value: FMFValue) -> Double? {
        if case .float(let number) = value { return number }
        return int(value).map { Double($0) }
    }

    // MARK: Reducing

    private mutating func reduce(
        _ value: inout FMFValue,
        by less: FMFValue,
        _ entry: FMFMap.Entry
    ) throws(FMFProblem) {
        switch (value, less) {
        case (.string(let text), .string(let pattern)):
            let found = try self.pattern(pattern)
            try budget.spend(text.utf8.count / 64)
            value = .string(try found.replacing(in: text, with: FMFReplacement("", for: found)))
        case (.list(let items), .list(let unwanted)): value = .list(try self.items(items, without: unwanted))
        case (.map, .list(let unwanted)), (.shared, .list(let unwanted)):
            // Python does not look at what is to go from nothing.
            guard value.map?.isEmpty != true else { return }
            var keys: Set<FMFKey> = []
            for item in unwanted {
                guard let key = FMFKey(item) else { throw mismatch(entry, "\(item.kindWord) is no key") }
                keys.insert(key)
            }
            try change(&value) { _, map throws(FMFProblem) in
                try map.removeAll { key throws(FMFProblem) in keys.contains(key) }
            }
        default:
            guard value.isNumber, less.isNumber else {
                let reason = "\(less.kindWord) cannot be taken from \(value.kindWord)"
                throw mismatch(entry, reason, hint: "numbers, text, and lists of items or keys can")
            }
            value = try number(value, less, entry, { $0 - $1 }, { $0.subtractingReportingOverflow($1) })
        }
    }

    private func items(_ items: [FMFValue], without unwanted: [FMFValue]) throws(FMFProblem) -> [FMFValue] {
        try budget.spend(items.count + unwanted.count)
        let texts = Set(unwanted.compactMap { $0.string.map { FMFKey.string($0) } })
        let others = unwanted.filter { $0.string == nil }
        var kept: [FMFValue] = []
        for item in items {
            if let text = item.string {
                if !texts.contains(.string(text)) { kept.append(item) }
                continue
            }
            try budget.spend(others.count)
            var isOut = false
            for other in others where !isOut { isOut = try item.equals(other, budget) }
            if !isOut { kept.append(item) }
        }
        return kept
    }

    // MARK: Regular expressions

    private mutating func pattern(_ text: String) throws(FMFProblem) -> FMFPattern {
        if let source = patterns[text] { return try source.pattern() }
        let source = FMFPatternSource(text)
        patterns[text] = source
        return try source.pattern()
    }

    /// The expressions of a value: one alone, or those of a list, or the keys of a mapping.
    private func expressions(_ value: FMFValue, _ entry: FMFMap.Entry) throws(FMFProblem) -> [FMFValue] {
        switch value {
        case .string: return [value]
        case .list(let items): return items
        case .map, .shared: return (value.map ?? FMFMap()).entries.map(\.key.value)
        case .null, .bool, .int, .largeInt, .float, .date:
            throw mismatch(entry, "it wants text or a list of texts, not \(value.kindWord)")
        }
    }

    private mutating func substitute(
        _ value: inout FMFValue,
        by source: FMFValue,
        _ entry: FMFMap.Entry
    ) throws(FMFProblem) {
        var pairs: [(pattern: String, replacement: String)] = []
        for expression in try expressions(source, entry) { pairs.append(try pair(expression, entry)) }
        for (text, replacement) in pairs {
            switch value {
            case .string(let old): value = .string(try substituted(old, text, replacement))
            case .list(let items):
                var results: [FMFValue] = []
                for item in items {
                    guard let old = item.string else {
                        throw mismatch(entry, "the list has \(item.kindWord), and only text has parts to substitute")
                    }
                    results.append(.string(try substituted(old, text, replacement)))
                }
                value = .list(results)
            case .null, .bool, .int, .largeInt, .float, .date, .map, .shared:
                throw mismatch(entry, "only text and lists of texts have parts to substitute, not \(value.kindWord)")
            }
        }
    }

    private mutating func substituted(
        _ text: String,
        _ expression: String,
        _ replacement: String
    ) throws(FMFProblem) -> String {
        let pattern = try pattern(expression)
        let result = try pattern.replacing(in: text, with: FMFReplacement(replacement, for: pattern))
        try budget.spend(1 + (text.utf8.count + result.utf8.count) / 16)
        return result
    }

    /// The parts of `/pattern/replacement/`, whatever its first character is.
    private func pair(
        _ value: FMFValue,
        _ entry: FMFMap.Entry
    ) throws(FMFProblem) -> (pattern: String, replacement: String) {
        let hint = "it is '/expression/replacement/', with any character in the place of '/'"
        guard let text = value.string else {
            throw mismatch(entry, "a substitution is text, not \(value.kindWord)", hint: hint)
        }
        let scalars = text.unicodeScalars
        guard let sign = scalars.first, scalars.last == sign else {
            throw mismatch(entry, "'\(text)' does not end with its first character", hint: hint)
        }
        let parts = scalars.dropFirst().dropLast().split(separator: sign, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw mismatch(entry, "'\(text)' is not two parts between three signs '\(Character(sign))'", hint: hint)
        }
        guard !parts[0].isEmpty else { throw mismatch(entry, "the expression of '\(text)' is empty", hint: hint) }
        return (String(parts[0]), String(parts[1]))
    }

    private mutating func removeMatching(
        _ value: inout FMFValue,
        by source: FMFValue,
        _ entry: FMFMap.Entry
    ) throws(FMFProblem) {
        switch value {
        case .list(let items):
            var kept: [FMFValue] = []
            for item in items where try !isMatched(item, by: source, entry) { kept.append(item) }
            value = .list(kept)
        case .string: if try isMatched(value, by: source, entry) { value = .string("") }
        case .map, .shared:
            try change(&value) { merge, map throws(FMFProblem) in
                try map.removeAll { key throws(FMFProblem) in try merge.isMatched(key.value, by: source, entry) }
            }
        case .null, .bool, .int, .largeInt, .float, .date:
            throw mismatch(entry, "expressions remove items, keys and text, not \(value.kindWord)")
        }
    }

    private mutating func isMatched(
        _ item: FMFValue,
        by source: FMFValue,
        _ entry: FMFMap.Entry
    ) throws(FMFProblem) -> Bool {
        let text = try FMFText.text(of: item)
        for expression in try expressions(source, entry) {
            guard let expression = expression.string else {
                throw mismatch(entry, "a regular expression is text, not \(expression.kindWord)")
            }
            try budget.spend(1 + text.utf8.count / 64)
            if try pattern(expression).isFound(in: text) { return true }
        }
        return false
    }

    // MARK: Sharing

    /// The mapping with those below it made shared, because it is about to stand in several places.
    mutating func shareMappings(in map: FMFMap) throws(FMFProblem) -> FMFMap {
        guard map.entries.contains(where: { $0.value.holdsMapping }) else { return map }
        hasShared = true
        var map = map
        for index in map.entries.indices where map.entries[index].value.holdsMapping {
            try budget.spend(1)
            map.put(index, try shared(map.entries[index].value))
        }
        return map
    }

    /// The value with all mappings in it made shared.
    mutating func shared(_ value: FMFValue) throws(FMFProblem) -> FMFValue {
        switch value {
        case .map(let map):
            hasShared = true
            return .shared(FMFCell(try shareMappings(in: map)))
        case .list(let items):
            guard value.holdsMapping else { return value }
            var results: [FMFValue] = []
            for item in items { results.append(try shared(item)) }
            try budget.spend(items.count)
            return .list(results)
        case .null, .bool, .int, .largeInt, .float, .string, .date, .shared: return value
        }
    }
}
