import Foundation

@testable import MusterLab

/// A tree of metadata in a folder of its own, which goes when the last reader of it goes.
final class FMFTestTree {
    let root: String

    /// - Parameters:
    ///   - files: from paths to texts; the version comes by itself unless it is given.
    ///   - folder: what is to be made besides, such as folders without files.
    init(_ files: [String: String], folders: [String] = []) throws {
        root = FileManager.default.temporaryDirectory.path + "/fmf-" + UUID().uuidString
        try make(folder: ".fmf")
        for folder in folders { try make(folder: folder) }
        for (path, text) in [".fmf/version": "1\n"].merging(files, uniquingKeysWith: { $1 }) {
            try write(path, Data(text.utf8))
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    private func make(folder: String) throws {
        try FileManager.default.createDirectory(atPath: root + "/" + folder, withIntermediateDirectories: true)
    }

    func write(_ path: String, _ data: Data) throws {
        if let slash = path.lastIndex(of: "/") { try make(folder: String(path[..<slash])) }
        try data.write(to: URL(fileURLWithPath: root + "/" + path))
    }

    func link(_ path: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: root + "/" + path, withDestinationPath: target)
    }

    func read(_ context: [String: [String]]? = nil, undecided: FMFContext.Undecided = .skip) throws -> FMFTree {
        try FMFTree(at: root, context: context.map { FMFContext($0) }, undecided: undecided)
    }

    /// What is wrong with the tree, as `main.fmf:3:1: message`; empty when nothing is.
    func faults(_ context: [String: [String]]? = nil, undecided: FMFContext.Undecided = .skip) throws -> [String] {
        do {
            _ = try read(context, undecided: undecided)
            return []
        } catch let error as FMFError {
            return error.diagnostics.map { "\($0.place): \($0.message)".replacing(root + "/", with: "") }
        }
    }
}

extension FMFTree {
    /// The data of selected nodes, by name, as JSON with sorted keys.
    func data() throws -> [String: String] {
        try Dictionary(uniqueKeysWithValues: selected.map { ($0.name, try FMFExport.json(.map($0.data))) })
    }

    /// A value of a node as JSON; nil when it has none.
    func json(_ name: String, _ key: String) throws -> String? {
        try node(name)?.data[key].map { try FMFExport.json($0) }
    }
}

/// What one file without context gives: the data of selected nodes as JSON.
func fmfData(_ text: String, _ context: [String: [String]]? = nil) throws -> [String: String] {
    try FMFTestTree(["main.fmf": text]).read(context).data()
}

/// What is wrong with one file.
func fmfFaults(_ text: String, _ context: [String: [String]]? = nil) throws -> [String] {
    try FMFTestTree(["main.fmf": text]).faults(context)
}

/// Takes gzip apart: recorded trees are kept packed.
enum Gunzip {
    struct Broken: Error {}

    static func data(_ packed: [UInt8]) throws -> [UInt8] {
        guard packed.count > 18, packed[0] == 0x1F, packed[1] == 0x8B else { throw Broken() }
        var start = 10
        if packed[3] & 4 != 0 { start += 2 + Int(packed[start]) + Int(packed[start + 1]) << 8 }
        for flag: UInt8 in [8, 16] where packed[3] & flag != 0 {
            while packed[start] != 0 { start += 1 }
            start += 1
        }
        var inflate = Inflate(bytes: packed, bit: start * 8)
        return try inflate.run()
    }
}

/// RFC 1951.
private struct Inflate {
    let bytes: [UInt8]
    var bit: Int
    var out: [UInt8] = []

    init(bytes: [UInt8], bit: Int) {
        self.bytes = bytes
        self.bit = bit
    }

    /// A canonical code: symbols in order of their lengths, and how many there are of each.
    struct Code {
        var counts = [Int](repeating: 0, count: 16)
        var symbols: [Int] = []
        init(lengths: [Int]) {
            for length in lengths { counts[length] += 1 }
            counts[0] = 0
            symbols = lengths.enumerated().filter { $0.element > 0 }.sorted {
                ($0.element, $0.offset) < ($1.element, $1.offset)
            }.map(\.offset)
        }
    }

    private mutating func bits(_ count: Int) throws -> Int {
        var value = 0
        for i in 0..<count {
            guard bit / 8 < bytes.count else { throw Gunzip.Broken() }
            value |= Int(bytes[bit / 8] >> UInt8(bit % 8) & 1) << i
            bit += 1
        }
        return value
    }

    private mutating func symbol(_ code: Code) throws -> Int {
        var (value, first, index) = (0, 0, 0)
        for length in 1...15 {
            value |= try bits(1)
            let count = code.counts[length]
            if value - first < count { return code.symbols[index + value - first] }
            index += count
            first = (first + count) << 1
            value <<= 1
        }
        throw Gunzip.Broken()
    }

    mutating func run() throws -> [UInt8] {
        var isLast = false
        while !isLast {
            isLast = try bits(1) == 1
            switch try bits(2) {
            case 0:
                bit = (bit + 7) / 8 * 8
                let count = try bits(16)
                _ = try bits(16)
                for _ in 0..<count { out.append(UInt8(try bits(8))) }
            case 1:
                let lengths = (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 }
                try block(Code(lengths: lengths), Code(lengths: [Int](repeating: 5, count: 30)))
            case 2:
                let (literals, distances) = try codes()
                try block(literals, distances)
            default: throw Gunzip.Broken()
            }
        }
        return out
    }

    private mutating func codes() throws -> (Code, Code) {
        let (literals, distances, count) = (try bits(5) + 257, try bits(5) + 1, try bits(4) + 4)
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        var lengths = [Int](repeating: 0, count: 19)
        for i in 0..<count { lengths[order[i]] = try bits(3) }
        let code = Code(lengths: lengths)
        lengths = []
        while lengths.count < literals + distances {
            let symbol = try symbol(code)
            switch symbol {
            case 16: lengths += [Int](repeating: lengths.last ?? 0, count: try bits(2) + 3)
            case 17: lengths += [Int](repeating: 0, count: try bits(3) + 3)
            case 18: lengths += [Int](repeating: 0, count: try bits(7) + 11)
            default: lengths.append(symbol)
            }
        }
        return (Code(lengths: Array(lengths[..<literals])), Code(lengths: Array(lengths[literals...])))
    }

    private mutating func block(_ literals: Code, _ distances: Code) throws {
        while true {
            let found = try symbol(literals)
            if found < 256 {
                out.append(UInt8(found))
            } else if found == 256 {
                return
            } else {
                let length = try length(found - 257)
                let distance = try distance(symbol(distances))
                guard distance <= out.count else { throw Gunzip.Broken() }
                for _ in 0..<length { out.append(out[out.count - distance]) }
            }
        }
    }

    private mutating func length(_ code: Int) throws -> Int {
        guard code < 28 else { return 258 }
        guard code >= 8 else { return code + 3 }
        let extra = code / 4 - 1
        return (4 + code % 4) << extra + 3 + (try bits(extra))
    }

    private mutating func distance(_ code: Int) throws -> Int {
        guard code >= 4 else { return code + 1 }
        let extra = code / 2 - 1
        return (2 + code % 2) << extra + 1 + (try bits(extra))
    }
}
