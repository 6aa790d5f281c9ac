import Foundation
import Synchronization

/// A type whose fields can be referred to though no decoder can make values of it by chance: it says some itself.
///
/// Enumerations that are `CaseIterable` need not.
public protocol SampleValues {
    /// Two or more distinct values.
    static var samples: [Self] { get }
}

/// Finds where in an output's JSON the field of a key path stands.
///
/// Values of the type are made by a decoder that gives each leaf another content; the field's own content, encoded, is
/// then searched for in the encoded whole. Types with few values (Bool, enumerations) are told apart by making several.
final class FieldPaths: Sendable {
    static let shared = FieldPaths()

    /// So many values are made of each type: leaves with two possible contents are told apart up to 254 of them.
    static let passes = 8

    /// Key paths are immutable, though their type does not say that they are Sendable.
    private struct Key: Hashable, @unchecked Sendable {
        let path: AnyKeyPath
    }

    private struct Samples<Root: Sendable>: Sendable {
        let values: [Root]
        /// By pass: the paths at which a text stands.
        let places: [[String: [[String]]]]
    }

    private let paths = Mutex<[Key: [String]]>([:])
    private let samples = Mutex<[ObjectIdentifier: any Sendable]>([:])

    func path<Root: Codable & Sendable>(of keyPath: KeyPath<Root, some Encodable>) throws(PlanningError) -> [String] {
        let key = Key(path: keyPath)
        if let known = paths.withLock({ $0[key] }) { return known }
        let found = try find(keyPath)
        paths.withLock { $0[key] = found }
        return found
    }

    private func find<Root: Codable & Sendable>(
        _ keyPath: KeyPath<Root, some Encodable>
    ) throws(PlanningError) -> [String] {
        let samples = try samples(of: Root.self, for: keyPath)
        let encoder = Envelope.makeEncoder()
        var candidates: [[String]]?
        for (value, places) in zip(samples.values, samples.places) {
            guard let data = try? encoder.encode(value[keyPath: keyPath]) else { break }
            let here = places[String(decoding: data, as: UTF8.self)] ?? []
            candidates = candidates.map { $0.filter(here.contains) } ?? here
            if candidates?.isEmpty == true { break }
        }
        guard let candidates, let path = candidates.first else {
            throw PlanningError(
                "\(keyPath) is no stored part of \(Root.self)'s JSON (is it computed?), so that no step can refer to it; "
                    + "store it in \(Root.self), or pass on the whole output and compute it where it is used"
            )
        }
        guard candidates.count == 1 else {
            let names = candidates.map { $0.joined(separator: ".") }.joined(separator: "' and '")
            throw PlanningError(
                "\(keyPath) cannot be told from others: '\(names)' always look alike; "
                    + "pass on the whole output, and take the field where it is used"
            )
        }
        return path
    }

    private func samples<Root: Codable & Sendable>(
        of type: Root.Type,
        for keyPath: AnyKeyPath
    ) throws(PlanningError) -> Samples<Root> {
        let id = ObjectIdentifier(type)
        if let known = samples.withLock({ $0[id] }) as? Samples<Root> { return known }
        var values: [Root] = []
        var places: [[String: [[String]]]] = []
        let encoder = Envelope.makeEncoder()
        for pass in 0..<Self.passes {
            do {
                let value = try ProbingDecoder(pass: pass).make(type)
                values.append(value)
                places.append(Self.places(in: try encoder.encode(value)))
            } catch {
                throw PlanningError(
                    "no field of \(type) can be referred to (\(keyPath)): \(Self.words(error)); "
                        + "make that type CaseIterable or SampleValues, or pass on the whole output"
                )
            }
        }
        let made = Samples(values: values, places: places)
        samples.withLock { $0[id] = made }
        return made
    }

    private static func places(in json: Data) -> [String: [[String]]] {
        let slices = JSONSlices(Array(json))
        var found: [String: [[String]]] = [:]
        func visit(_ range: Range<Int>, _ path: [String]) {
            found[slices.text(range), default: []].append(path)
            slices.forEachChild(of: range) { child in
                visit(child.range, path + [child.key])
                return true
            }
        }
        if let whole = slices.whole { visit(whole, []) }
        return found
    }

    private static func words(_ error: any Error) -> String {
        switch error {
        case let error as ProbingDecoder.Refusal: error.description
        case DecodingError.dataCorrupted(let context), DecodingError.typeMismatch(_, let context),
            DecodingError.valueNotFound(_, let context), DecodingError.keyNotFound(_, let context):
            context.debugDescription
        default: "\(error)"
        }
    }
}
