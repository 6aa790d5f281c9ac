import Foundation
import MusterCore
import MusterDrivers

extension DriverConformance {
    static let outputChecks: [Check] = [
        Check("output is kept byte for byte, standard error among it") { subject in
            let node = try await subject.made()
            let command = shell(#"printf 'a\377\376\000b\n'; printf 'err\200' >&2"#)
            let exit = try await subject.driver.run(command, on: node, operation: operation("bytes"))
            try demand(exit.succeeded, "\(exit)")
            let wanted: [UInt8] = [97, 0xFF, 0xFE, 0, 98, 10] + Array("err".utf8) + [0x80]
            try equal(try bytes("bytes", on: node, subject), wanted, "the output")
            try await subject.driver.destroy(node)
        },
        Check("of a long output the beginning and the end are kept, with a line about what is missing") { subject in
            let node = try await subject.made()
            for length in [0, 1, 9, 10, 11, 19, 20, 21, 25, 29, 30, 31, 40, 41, 99, 1000] {
                let command = shell("head -c \(length) numbers", outputLimit: 10)
                let text = String((0..<1000).map { Character(String($0 % 10)) })
                if length == 0 { try await subject.driver.put([script("numbers", text)], on: node) }
                let exit = try await subject.driver.run(command, on: node, operation: operation("long-\(length)"))
                let printed = String(text.prefix(length))
                let dropped = max(0, length - 20)
                try equal(exit.outputDropped, Int64(dropped), "bytes dropped of \(length)")
                let found = try output("long-\(length)", on: node, subject)
                if dropped == 0 {
                    try equal(found, printed, "an output of \(length)")
                } else {
                    try demand(found.hasPrefix(String(printed.prefix(10)) + "\n["), "the beginning: \(found)")
                    try demand(found.hasSuffix("]\n" + String(printed.suffix(10))), "the end: \(found)")
                    try demand(found.contains(" \(dropped) bytes"), "what is missing: \(found)")
                }
            }
            try await subject.driver.destroy(node)
        },
        Check("a gigabyte of output takes little room and no harm comes of it") { subject in
            let node = try await subject.made()
            let limit: Int64 = 1 << 20
            let command = shell("yes muster | head -c 1000000000; echo the end; exit 3", outputLimit: limit)
            let exit = try await subject.driver.run(command, on: node, operation: operation("gigabyte"))
            try equal(exit.status, 3, "the status")
            try equal(exit.outputDropped, 1_000_000_008 - 2 * limit, "bytes dropped")
            let found = try bytes("gigabyte", on: node, subject)
            try demand(found.count < 2 * limit + 200, "\(found.count) bytes were kept")
            try demand(String(decoding: found.suffix(15), as: UTF8.self).hasSuffix("the end\n"), "the end is missing")
            let size = try size(of: node.directory)
            try demand(size < 3 * limit, "the node's folder has \(size) bytes")
            try await subject.driver.destroy(node)
        },
        Check("secrets reach the process and no file") { subject in
            let secret = "s3cret-\(uniqueNap())"
            let nap = uniqueNap()
            var server = server("test -n \"$TOKEN\" && exec sleep \(nap)")
            server.secrets = ["TOKEN": secret]
            let node = try await subject.made(server: server)
            var command = shell("printf %s \"$TOKEN\" | wc -c")
            command.secrets = ["TOKEN": secret]
            let exit = try await subject.driver.run(command, on: node, operation: operation("secret"))
            try demand(exit.succeeded, "\(exit)")
            let length = try output("secret", on: node, subject).filter(\.isNumber)
            try equal(length, "\(secret.utf8.count)", "the length the process saw")
            try await subject.driver.powerOff(node)
            try await subject.driver.powerOn(node, operation: operation("on"))
            let needle = Data(secret.utf8)
            for file in try files(in: node.directory) + files(in: subject.place(node)) {
                guard let data = FileManager.default.contents(atPath: file) else { continue }
                try demand(data.range(of: needle) == nil, "the secret stands in \(file)")
            }
            // A command that prints it does so for its machine alone.
            command.program = .shell("echo \"it is $TOKEN\"")
            _ = try await subject.driver.run(command, on: node, operation: operation("shown"))
            try equal(try output("shown", on: node, subject), "it is ***\n", "what is kept of the secret")
            try await subject.driver.destroy(node)
        },
    ]

    static func bytes(_ name: String, on node: NodeHandle, _ subject: Subject) throws -> [UInt8] {
        let path = subject.driver.outputPath(of: operation(name), on: node)
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure(description: "there is no output at \(path)")
        }
        return Array(data)
    }

    static func output(_ name: String, on node: NodeHandle, _ subject: Subject) throws -> String {
        String(decoding: try bytes(name, on: node, subject), as: UTF8.self)
    }

    /// All regular files below a folder.
    private static func files(in folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).map { folder + "/" + $0 }.filter { path in
            let type = try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
            return type == .typeRegular
        }
    }

    private static func size(of folder: String) throws -> Int64 {
        try files(in: folder).reduce(0) { sum, path in
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber
            return sum + (size?.int64Value ?? 0)
        }
    }
}
