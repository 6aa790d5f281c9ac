import Foundation
import MusterPlans

/// What the shop has and owes. A real one is a database and two companies.
actor Shop {
    private(set) var stock = ["book": 3, "lamp": 1]
    private(set) var charged: [String: Int] = [:]
    private(set) var story: [String] = []

    struct Trouble: Error, CustomStringConvertible { let description: String }

    func reserve(_ item: String) throws {
        guard let left = stock[item], left > 0 else { throw PermanentError("no \(item) is left") }
        stock[item] = left - 1
        tell("reserved a \(item)")
    }

    func giveBack(_ item: String) {
        stock[item, default: 0] += 1
        tell("gave the \(item) back")
    }

    /// Charging twice under one key is charging once: the key outlives crashes and retries.
    func charge(_ cents: Int, key: String) {
        guard charged.updateValue(cents, forKey: key) == nil else { return }
        tell("charged \(cents) cents")
    }

    func refund(_ charge: String) {
        if let cents = charged.removeValue(forKey: charge) { tell("refunded \(cents) cents") }
    }

    private var attempts = 0
    func book(to city: String) throws -> String {
        attempts += 1
        if attempts == 1 { throw Trouble(description: "the courier's line is busy") }
        guard city != "Atlantis" else { throw PermanentError("no courier goes to \(city)") }
        tell("booked a courier to \(city)")
        return "parcel-\(attempts)"
    }

    private func tell(_ line: String) {
        story.append(line)
        print("  \(line)")
    }
}

struct ReserveStock: Action {
    struct Input: Codable, Sendable { var item: String }
    let shop: Shop
    func run(_ input: Input, in context: RunContext) async throws -> String {
        try await shop.reserve(input.item)
        return input.item
    }
    func revert(_ input: Input, _ output: String?, in context: RunContext) async throws {
        // Without an output nothing was reserved.
        if let item = output { await shop.giveBack(item) }
    }
}

struct ChargeCard: Action {
    struct Input: Codable, Sendable {
        var cents: Int
        var card: Secret<String>
    }
    struct Output: Codable, Sendable { var charge: String }
    let shop: Shop
    func run(_ input: Input, in context: RunContext) async throws -> Output {
        await shop.charge(input.cents, key: context.operationID)
        return Output(charge: context.operationID)
    }
    func revert(_ input: Input, _ output: Output?, in context: RunContext) async throws {
        if let charge = output?.charge { await shop.refund(charge) }
    }
}

struct BookCourier: Action {
    static let options = ActionOptions(rescue: .revert, retry: .init(times: 3, every: .milliseconds(100)))
    struct Input: Codable, Sendable {
        var city: String
        var item: Value<String>
        var charge: Value<String>
    }
    let shop: Shop
    func run(_ input: Input, in context: RunContext) async throws -> String { try await shop.book(to: input.city) }
}

/// Stock and money at once, then the courier. When the courier fails for good, both are given back.
struct PlaceOrder: CompositeAction {
    struct Input: Codable, Sendable {
        var item: String
        var cents: Int
        var city: String
        var card: Secret<String>
    }
    func plan(_ input: Input, in plan: PlanBuilder) throws -> Value<String> {
        let stock = try plan.add(ReserveStock.self, .init(item: input.item))
        let payment = try plan.add(ChargeCard.self, .init(cents: input.cents, card: input.card))
        return try plan.add(
            BookCourier.self,
            .init(city: input.city, item: stock.output, charge: payment.charge)
        ).output
    }
    func rescue(of action: any PlanAction.Type, suggested: ActionOptions.Rescue) -> ActionOptions.Rescue {
        .revert
    }
}

@main
struct OrderFulfilment {
    static func main() async throws {
        let state = FileManager.default.temporaryDirectory.appending(path: "order-fulfilment-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: state) }
        let shop = Shop()
        let plans = try Plans(name: "orders", state: state)
        plans.register(ReserveStock(shop: shop), ChargeCard(shop: shop), BookCourier(shop: shop), PlaceOrder())

        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await plans.run() }
            print("an order to Lisbon:")
            let good = try await plans.start(
                PlaceOrder.self,
                .init(item: "book", cents: 1200, city: "Lisbon", card: Secret("4111 1111"))
            )
            print("  sent as \(try await good.result())")

            print("an order to Atlantis:")
            let bad = try await plans.start(
                PlaceOrder.self,
                .init(item: "lamp", cents: 4500, city: "Atlantis", card: Secret("4222 2222"))
            )
            do {
                print("  sent as \(try await bad.result())")
            } catch let error as PlanError {
                print("  \(error.description)")
            }
            for step in try await bad.steps() {
                print("  \(step.phase) \(step.action): \(step.state.rawValue) \(step.input ?? "")")
            }
            let (stock, charged) = (await shop.stock, await shop.charged)
            print("left: \(stock["book"] ?? 0) books, \(stock["lamp"] ?? 0) lamp; charged: \(charged.values.sorted())")
            plans.stop()
            try await group.waitForAll()
        }
    }
}
