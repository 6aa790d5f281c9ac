import Testing

@testable import MusterCore

@Suite struct ShelfTests {
    @Test func isAValueLikeADictionary() {
        var shelf = Shelf<[Int]>()
        #expect(shelf.isEmpty)
        shelf[PlanID(1)] = [1]
        shelf[PlanID(2)] = [2]
        shelf[PlanID(1)]?.append(10)
        shelf[PlanID(3)]?.append(30)
        #expect(shelf[PlanID(1)] == [1, 10])
        #expect(shelf[PlanID(3)] == nil)
        #expect(Set(shelf.keys) == [PlanID(1), PlanID(2)])
        #expect(Set(shelf.values) == [[1, 10], [2]])

        let copy = shelf
        shelf[PlanID(1)]?.append(11)
        shelf[PlanID(2)] = nil
        #expect(shelf[PlanID(1)] == [1, 10, 11])
        #expect(Set(shelf.keys) == [PlanID(1)])
        #expect(copy[PlanID(1)] == [1, 10])
        #expect(copy[PlanID(2)] == [2])

        var other = copy
        other[PlanID(2)]?.append(20)
        other[PlanID(2)]?.append(21)
        #expect(other[PlanID(2)] == [2, 20, 21])
        #expect(copy[PlanID(2)] == [2])
        shelf[PlanID(1)] = nil
        #expect(shelf.isEmpty)
    }
}
