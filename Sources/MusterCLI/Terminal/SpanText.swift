import MusterCore

/// Lengths of time, as screens and logs show them.
enum SpanText {
    /// `0.3s`, `11.2s`, then a clock: `03:12`, `1:02:03`.
    static func elapsed(_ length: Duration) -> String {
        let tenths = max(0, length.milliseconds) / 100
        return tenths < 600 ? "\(tenths / 10).\(tenths % 10)s" : clock(length)
    }

    /// `00:41`, `03:12`, `1:02:03`.
    static func clock(_ length: Duration) -> String {
        let seconds = max(0, length.milliseconds) / 1000
        let minutes = "\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        return seconds < 3600 ? minutes : "\(seconds / 3600):\(minutes)"
    }

    /// A clock with tenths: `00:18.7`, `1:02:03.4`.
    static func stamp(_ length: Duration) -> String {
        "\(clock(length)).\(max(0, length.milliseconds) / 100 % 10)"
    }

    /// `6s`, `1m30s`; with a limit `6s of 2m`.
    static func whole(_ length: Duration, of limit: Duration? = nil) -> String {
        let text = Duration.seconds(max(0, length.milliseconds) / 1000).shortText
        let seconds = text == "0ms" ? "0s" : text
        return limit.map { "\(seconds) of \($0.shortText)" } ?? seconds
    }

    private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
