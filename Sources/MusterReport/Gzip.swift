internal import CZlib

/// Bytes as one member of gzip (RFC 1952), by the system's zlib. The same bytes give the same file: there is no time
/// and no name in it.
enum Gzip {
    /// Smaller than by the fastest, and far faster than by the best.
    private static let level: Int32 = 6
    /// The largest window, and 16 for a header of gzip instead of zlib's own.
    private static let windowBits: Int32 = 15 + 16
    /// zlib's own default.
    private static let memoryLevel: Int32 = 8
    private static let chunkBytes = 1 << 16

    /// - Returns: nil when there is no memory for it.
    static func compressed(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = z_stream()
        let size = Int32(MemoryLayout<z_stream>.size)
        guard
            deflateInit2_(
                &stream,
                level,
                Z_DEFLATED,
                windowBits,
                memoryLevel,
                Z_DEFAULT_STRATEGY,
                ZLIB_VERSION,
                size
            ) == Z_OK
        else { return nil }
        defer { deflateEnd(&stream) }
        var compressed: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: chunkBytes)
        let isWhole = bytes.withUnsafeBufferPointer { input in
            chunk.withUnsafeMutableBufferPointer { output in
                var next = 0
                while true {
                    // Its counts have 32 bits.
                    let count = min(bytes.count - next, chunkBytes)
                    // zlib reads from it, and never writes.
                    stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress.map { $0 + next })
                    stream.avail_in = UInt32(count)
                    next += count
                    let flush = next == bytes.count ? Z_FINISH : Z_NO_FLUSH
                    repeat {
                        stream.next_out = output.baseAddress
                        stream.avail_out = UInt32(chunkBytes)
                        let status = deflate(&stream, flush)
                        guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else { return false }
                        compressed.append(contentsOf: output.prefix(chunkBytes - Int(stream.avail_out)))
                        if status == Z_STREAM_END { return true }
                    } while stream.avail_out == 0
                }
            }
        }
        return isWhole ? compressed : nil
    }
}
