package import MusterCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Where the conductor gets the time from. Tests give a clock that they move by hand.
package protocol TimeSource: Sendable {
    func now() -> Timestamp
    /// Waits; ends early, by throwing `CancellationError`, when the task is cancelled.
    func sleep(for length: Duration) async throws
}

/// The host's time: UTC as it was when this was made, moved on by the clock that counts since boot.
///
/// So it never jumps within a process, also when somebody sets the host's clock or it was suspended.
package struct HostTime: TimeSource {
    private let startedAt: Int64
    private let bootTimeAtStart: Int64

    package init() {
        startedAt = Self.read(CLOCK_REALTIME)
        bootTimeAtStart = Self.read(CLOCK_BOOTTIME)
    }

    package func now() -> Timestamp {
        Timestamp(rawValue: startedAt + (Self.read(CLOCK_BOOTTIME) - bootTimeAtStart))
    }

    package func sleep(for length: Duration) async throws { try await Task.sleep(for: length) }

    /// Microseconds of one of the system's clocks.
    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
