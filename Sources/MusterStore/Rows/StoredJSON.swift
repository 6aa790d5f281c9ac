import Foundation
import MusterCore

/// JSON as the database keeps it: the same value always gives the same bytes.
enum StoredJSON {
    static func encode(_ value: some Encodable, _ what: @autoclosure () -> String) throws(StoreError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(value), as: UTF8.self)
        } catch {
            throw StoreError(.failed, "\(what()) cannot be written as JSON: \(error)")
        }
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from text: String) throws(BrokenRow) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch let error as DecodingError {
            throw BrokenRow(StoredJSON.words(error))
        } catch {
            throw BrokenRow("cannot be read: \(error)")
        }
    }

    private static func words(_ error: DecodingError) -> String {
        func place(_ path: [any CodingKey]) -> String {
            path.isEmpty ? "" : " at " + path.map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case .keyNotFound(let key, let context): return "lacks \"\(key.stringValue)\"\(place(context.codingPath))"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "has a value of another type\(place(context.codingPath))"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty ? "is no JSON" : "has an unknown value\(place(context.codingPath))"
        @unknown default: return "cannot be read"
        }
    }
}

/// What is wrong with a row that was read. It becomes a message of the plan that the row belongs to, never a crash.
struct BrokenRow: Error {
    let message: String
    init(_ message: String) { self.message = message }
}
