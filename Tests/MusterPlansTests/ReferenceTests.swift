import Foundation
import MusterCore
import MusterPlans
import Testing

@testable import MusterPlans

@Suite struct ReferenceTests {
    private func path<Root: Codable & Sendable>(_ keyPath: KeyPath<Root, some Codable>) throws -> String {
        try FieldPaths().path(of: keyPath).joined(separator: ".")
    }

    @Test func keyPathsBecomeCodingPaths() throws {
        #expect(try path(\Volume.id) == "id")
        #expect(try path(\Volume.gigabytes) == "gigabytes")
        #expect(try path(\Volume.place) == "place")
        #expect(try path(\Volume.place.rack) == "place.rack")
        #expect(try path(\Volume.place.slot) == "place.slot")
        #expect(try path(\Volume.tags) == "tags")
        #expect(try path(\Volume.tags.first) == "tags.0")
        #expect(try path(\Volume.created) == "created")
        #expect(try path(\Volume.key) == "key")
        #expect(try path(\Volume.key.value) == "key")
        #expect(try path(\Volume.self) == "")
    }

    @Test func typesWithFewValuesAreToldApart() throws {
        #expect(try path(\Volume.isEncrypted) == "isEncrypted")
        #expect(try path(\Volume.isShared) == "isShared")
        #expect(try path(\Volume.kind) == "kind")
        #expect(try path(\Many.h) == "h")
        #expect(try path(\Many.a) == "a")
        #expect(try path(\Many.color) == "color")
        #expect(try path(\Many.other) == "other")
        #expect(try path(\Many.byte) == "byte")
    }

    struct Many: Codable, Sendable {
        enum Color: String, Codable, Sendable, CaseIterable { case red, green, blue }
        var a, b, c, d, e, f, g, h: Bool
        var color: Color
        var other: Color
        var byte: UInt8
        var byte2: UInt8
    }

    struct Renamed: Codable, Sendable {
        struct ID: RawRepresentable, Codable, Sendable { var rawValue: String }
        var id: ID
        var link: URL
        var uuid: UUID
        var price: Decimal
        var wait: Duration
        var span: ClosedRange<Int>
        var next: [Renamed]?
        enum CodingKeys: String, CodingKey {
            case id = "identifier"
            case link, uuid, price, wait, span, next
        }
    }

    @Test func theJSONCountsNotTheNames() throws {
        #expect(try path(\Renamed.id) == "identifier")
        #expect(try path(\Renamed.id.rawValue) == "identifier")
        #expect(try path(\Renamed.link) == "link")
        #expect(try path(\Renamed.uuid) == "uuid")
        #expect(try path(\Renamed.price) == "price")
        #expect(try path(\Renamed.wait) == "wait")
        #expect(try path(\Renamed.span) == "span")
        #expect(try path(\Renamed.next) == "next")
    }

    @Test func whatIsNotStoredIsRefused() throws {
        let error = #expect(throws: PlanningError.self) { try path(\Volume.size) }
        #expect(error?.description.contains("no stored part of Volume") == true)
        #expect(error?.description.contains("pass on the whole output") == true)
    }

    struct Odd: Codable, Sendable {
        enum Shape: Codable, Sendable {
            case round(Int)
            case square(String)
        }
        var shape: Shape
        var name: String
    }
    struct Known: Codable, Sendable {
        var shape: Shape
        var name: String
        enum Shape: Codable, Sendable, SampleValues {
            case round(Int)
            case square(String)
            static var samples: [Shape] { [.round(1), .square("x")] }
        }
    }
    struct Optionally: Codable, Sendable {
        var shape: Odd.Shape?
        var shapes: [Odd.Shape]
        var name: String
    }

    @Test func aTypeThatNobodyCanMakeIsNamed() throws {
        let error = #expect(throws: PlanningError.self) { try path(\Odd.name) }
        #expect(error?.description.contains("Shape") == true, "\(error!)")
        #expect(error?.description.contains("SampleValues") == true)
        #expect(try path(\Known.name) == "name")
        #expect(try path(\Known.shape) == "shape")
        #expect(try path(\Optionally.name) == "name")
    }

    @Test func outputsArePutIntoInputs() async throws {
        let bench = Bench()
        bench.register(CreateVolume(), AttachVolume())
        let plan = try bench.build { plan in
            let volume = try plan.add(CreateVolume.self, .init(gigabytes: 3))
            try plan.add(
                AttachVolume.self,
                .init(
                    volume: volume.id,
                    label: volume.place.rack,
                    isEncrypted: volume.isEncrypted,
                    kind: volume.kind,
                    slot: volume.place.slot,
                    tag: volume.tags[1],
                    zone: volume.labels[key: "zone"],
                    created: .literal(nil),
                    whole: .literal(nil)
                )
            )
        }
        #expect(plan.steps.map(\.needs) == [[], [0]])
        #expect(plan.steps[1].spec.c == 1)
        let ends = await walk(plan, on: bench)
        #expect(ends[1]?.output == #"{"output":"vol-3/r1/true/disk/4/b/north"}"#, "\(String(describing: ends[1]))")
    }

    @Test func whatIsNotThereIsNullForAnOptional() async throws {
        let bench = Bench()
        bench.register(AttachVolume())
        let input =
            #"{"input":{"volume":"v","label":"l","isEncrypted":false,"kind":"ssd","slot":null,"tag":null,"zone":"","#
            + #""created":null,"whole":null},"uses":[{"at":["slot"],"step":0,"path":["place","slot"]}]}"#
        let end = await bench.call(
            "AttachVolume",
            .run,
            input: input.replacingOccurrences(of: #""tag":null"#, with: #""tag":"t""#),
            references: [0: #"{"output":{"place":{}}}"#]
        )
        #expect(end.output == #"{"output":"v/l/false/ssd/-/t/"}"#, "\(end)")
        let missing = await bench.call("AttachVolume", .run, input: input)
        guard case .failed(let error, let isFinal) = missing.outcome else { throw PlanningError("\(missing)") }
        #expect(error.code == .badValue && isFinal)
        #expect(error.message.contains("the input of 'AttachVolume'"))
    }

    @Test func referencesOfAnotherPlanAreRefused() throws {
        let bench = Bench()
        bench.register(CreateVolume(), AttachVolume(), Touch())
        let builder = PlanBuilder(host: bench.host)
        let volume = try builder.add(CreateVolume.self, .init(gigabytes: 1))
        #expect(throws: PlanningError.self) {
            try bench.build { try $0.add(AttachVolume.self, .init(volume: volume.id)) }
        }
        #expect(throws: PlanningError.self) { try bench.build { try $0.add(Touch.self, .init(), after: [volume]) } }
        let error = #expect(throws: PlanningError.self) { try volume.id.value }
        #expect(error?.description.contains("not known while the plan is made") == true)
    }

    @Test func valuesAreKnownOrNot() throws {
        let known: Value<Volume.Place> = .literal(Volume.Place(rack: "r", slot: 3))
        #expect(try known.rack.value == "r")
        #expect(known.slot.known == .some(3))
        let number: Value<Int> = 5
        let truth: Value<Bool> = true
        let real: Value<Double> = 1.5
        #expect(try number.value == 5 && truth.value && real.value == 1.5)
        #expect(Value([1, 2])[5].known == nil)
    }
}
