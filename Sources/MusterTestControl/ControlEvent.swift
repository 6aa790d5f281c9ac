/// What a test says by its control stream.
package enum ControlEvent: Hashable, Sendable {
    /// Data of a file follow; also of an empty one.
    case fileBegan(ControlFile)
    /// Data of a file: the bytes at `range` of the chunk that was given, to be put at `offset` of this entry's data.
    case fileData(ControlFile, offset: Int, range: Range<Int>)
    /// A result, when all of its files have come.
    case result(ControlResult)
    /// The code that the test's program ended with, as a wrapper around it says; the last one counts.
    case exitCode(Int)
    case duration(DurationChange)
    /// The connection will break on purpose: the test is started again once the machine is back (ATEX from 1.0).
    case disconnect
    /// The same in the words of ATEX 0.10.
    case reconnect(ReconnectMode)
    /// Nothing. A test that writes it in a loop learns by EPIPE that the runner has closed its side.
    case noop
    /// The stream ended within a line, which is dropped.
    case partialLine(byteCount: Int, offset: Int)
    /// The stream is given up. The last event, but for the end.
    case error(ControlError)
}

/// Whether a connection that breaks is made again once, or each time.
package enum ReconnectMode: Hashable, Sendable {
    case once
    case always
}

/// One entry of `files`: data that follow the result's JSON.
package struct ControlFile: Hashable, Sendable {
    /// Its place in `files`, from 0.
    package let index: Int
    /// The result's own name; nil for the test itself.
    package let subtest: String?
    /// As the test wrote it: not a path that may be used.
    package let name: String
    /// Bytes that belong to it.
    package let byteCount: Int

    /// - Parameter byteCount: not negative.
    package init(index: Int, subtest: String?, name: String, byteCount: Int) {
        self.index = index
        self.subtest = subtest
        self.name = name
        self.byteCount = byteCount
    }
}

/// A point between two control words, from which a stream can be read on.
package struct ControlCheckpoint: Hashable, Sendable {
    /// Bytes of the stream before the point.
    package var offset: Int
    /// What counts against the limits so far, also over several streams of one attempt.
    package var results: Int
    /// Entries of `files`.
    package var files: Int
    /// Bytes of their data.
    package var fileBytes: Int

    /// The beginning of an attempt, unless said otherwise.
    package init(offset: Int = 0, results: Int = 0, files: Int = 0, fileBytes: Int = 0) {
        self.offset = offset
        self.results = results
        self.files = files
        self.fileBytes = fileBytes
    }
}

/// The most that one attempt of a test may report.
package struct ControlLimits: Hashable, Sendable {
    /// Of one result.
    package var jsonBytesMax: Int
    /// Lists and objects within each other.
    package var depthMax: Int
    /// Partial ones too.
    package var resultsMax: Int
    /// Entries of `files`.
    package var filesMax: Int
    /// Data of all files together.
    package var fileBytesMax: Int
    /// Of a subtest's name, and of a file's.
    package var nameBytesMax: Int

    /// Limits for tests of people who mean well, and for runners of little memory.
    package init(
        jsonBytesMax: Int = 1 << 20,
        depthMax: Int = 100,
        resultsMax: Int = 1_000_000,
        filesMax: Int = 100_000,
        fileBytesMax: Int = 16 << 30,
        nameBytesMax: Int = 1024
    ) {
        self.jsonBytesMax = jsonBytesMax
        self.depthMax = depthMax
        self.resultsMax = resultsMax
        self.filesMax = filesMax
        self.fileBytesMax = fileBytesMax
        self.nameBytesMax = nameBytesMax
    }
}
