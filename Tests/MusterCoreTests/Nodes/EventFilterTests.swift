import MusterCore
import Testing

@Suite struct EventFilterTests {
    @Test func everyNamedFieldMustBeOneOfItsValues() throws {
        let filter = try EventFilter("object-type=TBNODESTATE object-name=pc1,pc2")
        var address = EventAddress([.objectType: "TBNODESTATE", .objectName: "pc1", .eventType: "ISUP"])
        #expect(filter.matches(address))
        address[.objectName] = "pc10"
        #expect(!filter.matches(address))
        address[.objectName] = EventAddress.unset
        #expect(!filter.matches(address))
        #expect(EventFilter().matches(address) && EventFilter().isEverything)
        #expect(EventAddress.Field.allCases.count == 9)
    }

    @Test func storedEventsHaveAddresses() throws {
        func address(_ kind: EventRow.Kind, _ detail: String?, node: NodeName? = NodeName("app/1")) -> EventAddress {
            let event = EventRow(position: 1, epoch: Epoch(1), at: Timestamp(rawValue: 0), kind: kind, detail: detail)
            return EventAddress(of: event, lab: "shop", node: node, name: node?.description, host: "here")
        }
        let state = address(.nodeState, "LINUX/ISUP < BOOTING")
        #expect(
            try EventFilter("object-type=node-state event-type=ISUP group=app experiment=shop host=here").matches(state)
        )
        #expect(try EventFilter("object-name=app/1,app/2").matches(state))
        #expect(try !EventFilter("object-name=app").matches(state))
        #expect(try EventFilter("object-type=node-mode event-type=B").matches(address(.nodeMode, "B/X < A/Y")))
        #expect(try EventFilter("object-type=node event-type=ready").matches(address(.nodeReady, nil)))
        #expect(
            try EventFilter("object-type=plan event-type=stopped group=*").matches(
                address(.planStopped, nil, node: nil)
            )
        )
        #expect(state[.timeline] == EventAddress.unset && state[.site] == EventAddress.unset)
    }

    @Test func whatIsWrittenReadsBackWhateverTheValues() throws {
        let letters = Array("ab ,=\"\\\n\tä*")
        for seed in Seeds.first(300) {
            var chance = Chance(seed: seed)
            var filter = EventFilter()
            for field in EventAddress.Field.allCases where Bool.random(using: &chance) {
                let values = (0..<Int.random(in: 1...4, using: &chance)).map { _ in
                    String(
                        (0..<Int.random(in: 0...5, using: &chance)).map { _ in
                            letters.randomElement(using: &chance) ?? "a"
                        }
                    )
                }
                filter.want(field, values)
            }
            #expect(try EventFilter(filter.description) == filter, "\(filter)")
        }
    }

    @Test(arguments: [
        ("objct=a", EventFilterError.unknownField("objct")), ("host=", .valueMissing(field: "host")),
        ("host=a,,b", .valueMissing(field: "host")), ("host", .equalsMissing("host")),
        ("host=\"a", .quoteOpen("a")), ("host=\"a\"b", .trailing("b")), ("=a", .equalsMissing("=a")),
    ])
    func whatIsWrongIsSaid(text: String, error: EventFilterError) {
        #expect(throws: error) { try EventFilter(text) }
        #expect(!error.message.isEmpty)
    }

    @Test func aFieldNamedTwiceWantsTheValuesOfBoth() throws {
        #expect(try EventFilter("host=a host=b") == EventFilter("host=b,a"))
    }

    @Test func anEventThatComesTwiceCountsOnceForAWhile() {
        var window = EventWindow(length: .seconds(60), countMax: 3)
        func isNew(_ source: String, _ seconds: Int64) -> Bool {
            window.isNew(source: source, id: "1", now: Timestamp(rawValue: seconds * 1_000_000))
        }
        #expect(isNew("a", 0))
        #expect(!isNew("a", 60))
        #expect(isNew("b", 60))
        #expect(isNew("a", 61))
        // The oldest goes when there are too many.
        #expect(isNew("c", 61) && isNew("d", 61))
        #expect(window.count == 3 && isNew("b", 61))
    }

    @Test func equalNotificationsBecomeOneAndMessagesKeepTheirDistance() {
        var digest = NotificationDigest(gap: .seconds(15), entriesMax: 2)
        func at(_ seconds: Int64) -> Timestamp { Timestamp(rawValue: seconds * 1_000_000) }
        #expect(digest.nextDue == nil && digest.take(at: at(0)) == nil)
        digest.add("stuck", about: "n1", now: at(1))
        #expect(digest.take(at: at(1))?.entries.map(\.count) == [1])
        digest.add("stuck", about: "n1", now: at(2))
        digest.add("stuck", about: "n2", now: at(3))
        digest.add("other", about: "n1", now: at(4))
        digest.add("third", about: "n1", now: at(5))
        #expect(digest.nextDue == at(16) && digest.take(at: at(15)) == nil)
        let message = digest.take(at: at(16))
        #expect(message?.entries.map(\.text) == ["stuck", "other"] && message?.omitted == 1)
        #expect(message?.entries[0].subjects == ["n1", "n2"] && message?.entries[0].count == 2)
        #expect(digest.take(at: at(99)) == nil)
    }
}
