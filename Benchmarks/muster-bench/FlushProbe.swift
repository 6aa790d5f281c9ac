import Foundation

/// How long a flush takes now: 4 KiB overwritten, then `fdatasync`; the median over 0.2 s, in microseconds.
enum FlushProbe {
    static func median(in folder: String) -> Double {
        let path = folder + "/probe.dat"
        let file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard file >= 0 else { return .infinity }
        defer {
            close(file)
            unlink(path)
        }
        let bytes = [UInt8](repeating: 7, count: 4096)
        for page in 0..<256 { pwrite(file, bytes, 4096, page * 4096) }
        fsync(file)
        var lengths: [Double] = []
        let begin = ContinuousClock.now
        var offset = 0
        while begin.duration(to: .now) < .milliseconds(200) {
            let start = ContinuousClock.now
            pwrite(file, bytes, 4096, offset)
            offset = (offset + 4096) % (256 * 4096)
            fdatasync(file)
            lengths.append(start.duration(to: .now).inMicroseconds)
        }
        lengths.sort()
        return lengths.isEmpty ? .infinity : lengths[lengths.count / 2]
    }
}

extension Duration {
    var inMicroseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1e6 + Double(attoseconds) * 1e-12
    }
    var inSeconds: Double { inMicroseconds / 1e6 }
}

/// What this process has used so far.
enum Usage {
    private static func read() -> rusage {
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        return usage
    }

    /// User and system time, in microseconds.
    static var cpu: Double {
        let usage = read()
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
    }

    /// What is resident now, in bytes.
    static var residentMemory: Int {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
            .dropFirst().first
        return (pages.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// The most memory that was resident. Not `ru_maxrss`: in that a program begins with what its parent had.
    static var peakMemoryInMegabytes: Double {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Double($0) })
        else { return .nan }
        return kilobytes / 1024
    }
}

/// A folder for one measurement, removed after it.
struct Scratch {
    let path: String

    init(in folder: String?) throws {
        let base = folder ?? FileManager.default.currentDirectoryPath
        path = base + "/.muster-bench-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }

    /// A new folder of this name in it.
    func folder(_ name: String) throws -> String {
        let folder = path + "/" + name
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        return folder
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }
}
