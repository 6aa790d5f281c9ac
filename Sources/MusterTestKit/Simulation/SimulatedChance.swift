import MusterCore

/// The one source of chance of a simulated world, and short questions to it.
final class SimulatedChance {
    private var generator: SeededChance

    /// Neighbouring seeds have nothing in common: the generator begins at a number drawn from the seed.
    init(seed: UInt64) {
        var first = SeededChance(seed: seed)
        generator = SeededChance(seed: first.next())
    }

    func next() -> UInt64 { generator.next() }

    /// A number from 0 up to, but not including, `limit`.
    func below(_ limit: Int) -> Int {
        precondition(limit > 0, "a choice of \(limit) things")
        return Int(truncatingIfNeeded: next() >> 1) % limit
    }

    func from(_ low: Int, to high: Int) -> Int { low + below(high - low + 1) }

    /// True once in `n` times.
    func oneIn(_ n: Int) -> Bool { below(n) == 0 }

    /// True `share` times in a thousand.
    func happens(perMille share: Int) -> Bool { below(1000) < share }

    func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[below(elements.count)]
    }

    /// A length in microseconds: mostly short, sometimes long, so that what began first need not end first.
    func delay() -> Int64 {
        switch below(16) {
        case 0: Int64(from(1_000_000, to: 8_000_000))
        case 1...3: Int64(from(20_000, to: 1_000_000))
        default: Int64(from(50, to: 20_000))
        }
    }
}

/// What is to happen, earliest first; at the same time in the order it was put in.
struct SimulatedAgenda<Element> {
    private struct Entry {
        let at: Int64
        let order: UInt64
        let element: Element

        func isBefore(_ other: Entry) -> Bool { at != other.at ? at < other.at : order < other.order }
    }

    private var heap: [Entry] = []
    private var nextOrder: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }
    var count: Int { heap.count }
    var elements: [Element] { heap.map(\.element) }

    mutating func put(_ element: Element, at time: Int64) {
        heap.append(Entry(at: time, order: nextOrder, element: element))
        nextOrder += 1
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func take() -> (at: Int64, element: Element)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return (first.at, first.element) }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].isBefore(heap[least]) { least = child }
            }
            guard least != parent else { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.at, first.element)
    }
}

/// A running checksum of everything that happened (FNV-1a): the same world gives the same one.
struct TraceHash {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ number: some BinaryInteger) {
        value = (value ^ UInt64(truncatingIfNeeded: number)) &* 0x100_0000_01B3
    }

    mutating func add(_ text: String) {
        for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
}
