/// Plans by number, changed where they are.
///
/// A dictionary moves a value out and in again to change it, which for one as wide as a plan's machine costs more than
/// most changes; here each has a place of its own that does not move. It is a value like a dictionary: a copy is never
/// changed by its original.
struct Shelf<Value: Sendable>: Sendable {
    /// Changed only while one shelf alone has it.
    private final class Place: @unchecked Sendable {
        var value: Value?
        init(_ value: Value?) { self.value = value }
        var isEmpty: Bool { if case .none = value { true } else { false } }
    }

    private var places: [PlanID: Place] = [:]
    private let nowhere = Place(nil)

    var isEmpty: Bool { places.isEmpty }
    var keys: some Sequence<PlanID> { places.keys }
    var values: some Sequence<Value> { places.values.lazy.compactMap(\.value) }

    // Both yield what stands in a place, and nothing of their own: room for a value of their own would be asked for
    // with every use.
    subscript(_ id: PlanID) -> Value? {
        _read {
            let place = places[id] ?? nowhere
            yield place.value
        }
        _modify {
            let place = own(id)
            yield &place.value
            if place.isEmpty { places[id] = nil }
        }
    }

    /// The place of a plan, in no other shelf; an empty one when it has none.
    private mutating func own(_ id: PlanID) -> Place {
        guard let index = places.index(forKey: id) else {
            let place = Place(nil)
            places[id] = place
            return place
        }
        if !isKnownUniquelyReferenced(&places.values[index]) { copy(at: index) }
        return places.values[index]
    }

    @inline(never)
    private mutating func copy(at index: Dictionary<PlanID, Place>.Index) {
        places.values[index] = Place(places.values[index].value)
    }
}
