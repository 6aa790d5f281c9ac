import Foundation

/// What a program that embeds the engine is not asked for: its host's name, and chance.
enum Surroundings {
    static var host: String { ProcessInfo.processInfo.hostName }

    static func seed() -> UInt64 { UInt64.random(in: .min ... .max) }

    /// A name that nobody else gives to anything: 124 bits.
    static func token() -> String {
        let characters = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        return String((0..<24).map { _ in characters[Int.random(in: 0..<characters.count)] })
    }
}
