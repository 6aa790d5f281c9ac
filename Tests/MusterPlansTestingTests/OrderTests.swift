import Foundation
import MusterPlans
import MusterPlansTesting
import Testing

// The guide docs/guides/testing-plans.md quotes what stands between its marks.

// begin: actions
struct ReserveStock: Action {
    struct Input: Codable, Sendable { var item: String }
    static let options = ActionOptions(rescue: .revert)
    let shop: Shop
    func run(_ input: Input, in context: RunContext) async throws -> String {
        await shop.reserve(input.item, key: context.operationID)
    }
    func revert(_ input: Input, _ output: String?, in context: RunContext) async throws {
        if let output { await shop.release(output) }
    }
}

struct ChargeCard: Action {
    struct Input: Codable, Sendable { var reservation: Value<String> }
    static let options = ActionOptions(rescue: .revert, retry: .times(3), timeout: .seconds(30))
    let shop: Shop
    func run(_ input: Input, in context: RunContext) async throws -> String {
        await shop.charge(try input.reservation.value, key: context.operationID)
    }
}

struct PlaceOrder: CompositeAction {
    struct Input: Codable, Sendable { var item: String }
    func plan(_ input: Input, in plan: PlanBuilder) throws -> Value<String> {
        let reservation = try plan.add(ReserveStock.self, .init(item: input.item))
        return try plan.add(ChargeCard.self, .init(reservation: reservation.output)).output
    }
}
// end: actions

/// Stands for the services that the actions call.
actor Shop {
    private(set) var reserved: [String] = []
    private(set) var receipts: [String: String] = [:]

    func reserve(_ item: String, key: String) -> String {
        if !reserved.contains(item) { reserved.append(item) }
        return item
    }

    func release(_ item: String) { reserved.removeAll { $0 == item } }

    /// Once for each key.
    func charge(_ item: String, key: String) -> String {
        let receipt = receipts[key] ?? "receipt-\(receipts.count + 1)"
        receipts[key] = receipt
        return receipt
    }
}

// begin: tests
@Suite struct OrderTests {
    let shop = Shop()
    let engine: TestEngine

    init() throws {
        engine = try TestEngine(PlaceOrder(), ReserveStock(shop: shop), ChargeCard(shop: shop))
    }

    @Test func aBankThatDoesNotAnswerIsAskedAgain() async throws {
        engine.script(ChargeCard.self, [.fail("no answer"), .hang, .perform])
        let order = try await engine.plans.start(PlaceOrder.self, .init(item: "lamp"))
        #expect(try await engine.result(of: order) == "receipt-1")
        #expect(engine.story == ["run ReserveStock", "run ChargeCard", "run ChargeCard", "run ChargeCard"])
        // A retry after a second, a try that hung for thirty, and two more seconds: no time at all.
        #expect(try await order.steps().map(\.tries) == [1, 3])
    }

    @Test func whatCannotBePaidIsGivenBack() async throws {
        engine.script(ChargeCard.self, [.failForGood("the card is stolen")])
        let order = try await engine.plans.start(PlaceOrder.self, .init(item: "lamp"))
        let error = await #expect(throws: PlanError.self) { try await engine.result(of: order) }
        #expect(error?.description.contains("the card is stolen") == true)
        #expect(engine.story.suffix(2) == ["revert ChargeCard", "revert ReserveStock"])
        #expect(await shop.reserved == [])
    }

    @Test func aCrashChargesNobodyTwice() async throws {
        engine.script(ChargeCard.self, [.performAndCrash])
        let order = try await engine.plans.start(PlaceOrder.self, .init(item: "lamp"))
        #expect(try await engine.result(of: order) == "receipt-1")
        #expect(engine.story == ["run ReserveStock", "run ChargeCard", "run ChargeCard"])
        #expect(await shop.receipts.count == 1)
    }
}
// end: tests
