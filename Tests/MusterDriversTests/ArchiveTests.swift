import Foundation
import MusterCore
import MusterTestKit
import Testing

@testable import MusterDrivers

/// Archives of `tar`, by other programs and by hostile ones.
@Suite(.timeLimit(.minutes(1))) struct ArchiveTests {
    private static func with(_ body: (String) async throws -> Void) async throws {
        let folder = try temporaryFolder("arc")
        do {
            try await body(folder)
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
        try FileManager.default.removeItem(atPath: folder)
    }

    private static func sh(_ text: String) async throws -> [UInt8] {
        let end = try await LocalConnection().run(RemoteRequest(program: text, outputLimit: 64 << 20))
        #expect(end.status == 0, "\(end.error)")
        return end.output
    }

    /// Unpacks bytes that come in pieces of a size into `folder/got`.
    private static func unpack(_ bytes: [UInt8], in folder: String, by size: Int) throws -> ArchiveReader {
        let target = try CopyTarget("\(folder)/got", replaces: true, tag: "t")
        try target.beginFolder()
        let reader = ArchiveReader(target, isReserved: { $0.hasPrefix("op-") })
        var place = 0
        while place < bytes.count {
            try reader.take(Array(bytes[place..<min(bytes.count, place + size)]))
            place += size
        }
        if reader.isEnded { try target.placeFolder(mode: 0o755) }
        return reader
    }

    static let writers = [
        "tar --format=gnu -cf - .", "tar --format=pax -cf - .", "tar --format=ustar -cf - .", "busybox tar -cf - .",
    ]

    @Test(arguments: writers, [1, 511, 512, 4096, 1 << 20])
    func archivesOfOtherProgramsAreRead(_ writer: String, _ size: Int) async throws {
        try await Self.with { folder in
            let isLong = !writer.contains("ustar")
            let bytes = try await Self.sh(
                """
                mkdir \(folder)/tree && cd \(folder)/tree &&
                    mkdir -p d/e empty && printf text >d/e/file && chmod 750 d/e
                printf x >'odd \\ name' && ln d/e/file hard && ln -s d/e/file soft && ln -s ../../x out && : >nothing
                mkdir op-1 && echo no >op-1/x
                if \(isLong); then n=$(printf %0120d 1); mkdir $n && printf long >$n/$n; ln -s ./././$n/$n l; fi
                \(writer)
                """
            )
            let reader = try Self.unpack(bytes, in: folder, by: size)
            #expect(reader.isEnded)
            #expect(reader.leftOut.count == 1 && reader.leftOut.first?.contains("out") == true, "\(reader.leftOut)")
            let compared = try await Self.sh(
                """
                cd \(folder) && rm -r tree/out tree/op-1 && diff -r tree got && stat -c %a got/d/e &&
                    readlink got/soft && [ got/hard -ef got/d/e/file ] && ls -A | tr '\\n' ' '
                """
            )
            #expect(String(decoding: compared, as: UTF8.self) == "750\nd/e/file\ngot tree ")
        }
    }

    @Test(arguments: ["tar", "busybox tar"])
    func otherProgramsReadOurArchives(_ reader: String) async throws {
        try await Self.with { folder in
            _ = try await Self.sh(
                """
                cd \(folder) && mkdir -p tree/d/e tree/shut && printf text >tree/d/e/file && : >tree/nothing
                n=$(printf %0120d 1); mkdir -p tree/$n/$n && printf long >tree/$n/$n/$n && ln -s $n/$n/$n tree/l
                echo in >tree/shut/in && chmod 555 tree/shut && chmod 700 tree/d
                """
            )
            let source = try CopySource("\(folder)/tree")
            var bytes: [UInt8] = []
            while let more = source.next() { bytes += more }
            #expect(source.given.failure == nil && source.given.files == 4)
            #expect(bytes.count % ArchiveHeader.recordSize == 0)
            try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/archive"))
            let compared = try await Self.sh(
                """
                cd \(folder) && mkdir got && cd got && \(reader) -xpof ../archive && rm \(CopySource.lastEntry) &&
                    diff -r ../tree . && stat -c %a shut d && readlink l | wc -c && chmod 755 shut ../tree/shut
                """
            )
            #expect(String(decoding: compared, as: UTF8.self) == "555\n700\n363\n")
        }
    }

    private static func entry(_ name: String, _ type: Character, _ target: String = "", _ text: String = "") -> [UInt8]
    {
        let header = ArchiveHeader(
            name: Array(name.utf8),
            type: type.asciiValue ?? 0,
            mode: 0o4777,
            size: text.utf8.count,
            target: Array(target.utf8)
        )
        return header.blocks + ArchiveHeader.padded(Array(text.utf8))
    }

    private static let end = [UInt8](repeating: 0, count: 1024)

    @Test func hostileArchivesLeadNowhere() async throws {
        try await Self.with { folder in
            let bytes =
                Self.entry("../above", "0", "", "bad") + Self.entry("/\(folder)/absolute", "0", "", "bad")
                + Self.entry("a/../../up", "0", "", "bad") + Self.entry("link", "2", "..")
                + Self.entry("etc", "2", "/etc") + Self.entry("d/l", "2", "../../x")
                + Self.entry("d/m", "2", "y/../../..")
                + Self.entry("hard", "1", "../tree/secret") + Self.entry("device", "3")
                + Self.entry("good", "0", "", "good")
                + Self.entry("x", "5") + Self.entry("x/in", "2", "../good") + Self.entry(".", "5")
            let reader = try Self.unpack(bytes + Self.end, in: folder, by: 700)
            #expect(reader.leftOut.count == 9, "\(reader.leftOut)")
            let found = try await Self.sh(
                "cd \(folder) && find . | LC_ALL=C sort | tr '\\n' ' ' && stat -c %a got/good"
            )
            #expect(String(decoding: found, as: UTF8.self) == ". ./got ./got/good ./got/x ./got/x/in 777\n")
        }
    }

    @Test func nothingIsWrittenThroughALink() async throws {
        try await Self.with { folder in
            mkdir("\(folder)/other", 0o755)
            let through =
                Self.entry("other", "5") + Self.entry("in", "2", "other") + Self.entry("in/file", "0", "", "x")
            #expect(throws: StepError.self) { try Self.unpack(through + Self.end, in: folder, by: 512) }
            let over = Self.entry("f", "0", "", "x") + Self.entry("l", "2", "f") + Self.entry("l", "0", "", "new")
            _ = try Self.unpack(over + Self.end, in: folder, by: 512)
            #expect(FileManager.default.contents(atPath: "\(folder)/got/f") == Data("x".utf8))
            #expect(FileManager.default.contents(atPath: "\(folder)/got/l") == Data("new".utf8))
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(names == ["got", "other"])
        }
    }

    @Test func brokenArchivesAreNone() async throws {
        try await Self.with { folder in
            let good = Self.entry("good", "0", "", "good")
            var broken = good
            broken[0] = 0x7A
            #expect(throws: StepError.self) { try Self.unpack(broken + Self.end, in: folder, by: 512) }
            for count in [0, 512, 513, good.count] {
                let reader = try Self.unpack(Array(good.prefix(count)), in: folder, by: 100)
                #expect(!reader.isEnded)
            }
            var huge = Self.entry("x", "L")
            huge = ArchiveHeader(name: Array("x".utf8), type: 0x4C, size: 1 << 30).blocks
            #expect(throws: StepError.self) { try Self.unpack(huge, in: folder, by: 512) }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(names.isEmpty)
        }
    }

    @Test func numbersOfAnySizeComeBack() throws {
        for size in [0, 1, 8_589_934_591, 8_589_934_592, 1 << 50] {
            let header = ArchiveHeader(name: Array("x".utf8), type: 0x30, size: size, changed: 1_800_000_000)
            #expect(ArchiveHeader(block: header.blocks[...])?.size == size)
            #expect(ArchiveHeader(block: header.blocks[...])?.changed == 1_800_000_000)
        }
        var generator = SeededChance(seed: 6)
        for _ in 0..<2000 {
            var block = ArchiveHeader(name: Array("name".utf8), type: 0x30, size: 77).blocks
            for _ in 0..<Int.random(in: 1...9, using: &generator) {
                block[Int.random(in: 0..<512, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            // Whatever it says, it is read or refused.
            _ = ArchiveHeader(block: block[...])
        }
    }

    @Test(arguments: [
        ("a", 0, true), ("a/b", 0, true), ("..", 0, false), ("..", 1, true), ("../a", 1, true), ("../../a", 1, false),
        ("a/..", 5, false), ("./../a", 1, true), ("/a", 9, false), ("", 3, false), (".", 0, true), ("a/./b", 0, true),
    ])
    func linksStayInside(_ target: String, _ depth: Int, _ stays: Bool) {
        #expect(TreePath.staysInside(Array(target.utf8), depth: depth) == stays)
    }

    @Test func aFileThatBecomesShorterIsSaid() async throws {
        try await Self.with { folder in
            let path = "\(folder)/file"
            try Data(repeating: 1, count: 1 << 20).write(to: URL(fileURLWithPath: path))
            let source = try CopySource(path)
            _ = source.next()
            truncate(path, 10)
            while source.next() != nil {}
            #expect(source.given.failure?.message.contains("became shorter") == true)
        }
    }
}
