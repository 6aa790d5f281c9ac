import Glibc

/// Seeds for tests of random scenarios: as many as are quick, or `MUSTER_SOAK` times as many.
enum Seeds {
    static func first(_ count: Int) -> Range<Int> {
        let factor = getenv("MUSTER_SOAK").flatMap { Int(String(cString: $0)) } ?? 1
        return 0..<count * max(1, factor)
    }
}
