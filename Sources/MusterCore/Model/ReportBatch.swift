/// How far the file was read into which a node writes its reports.
///
/// A file goes on where it was left only while it is the same one: its number, its length and the bytes before that
/// place all say so.
package struct ReportPosition: Hashable, Sendable {
    /// The number of the file on its disk.
    package var file: Int64
    /// Bytes from its beginning.
    package var offset: Int64
    /// A sum of the bytes just before `offset`.
    package var print: Int64

    package init(file: Int64, offset: Int64, print: Int64) {
        self.file = file
        self.offset = offset
        self.print = print
    }
}

/// What was read at once of the file into which a node writes its reports: whole lines, each a report or told as wrong.
package struct ReportBatch: Hashable, Sendable {
    package struct Line: Hashable, Sendable {
        package var content: NodeReport.Content
        /// The node's own name for it: the same twice counts once.
        package var id: String?

        package init(_ content: NodeReport.Content, id: String? = nil) {
            self.content = content
            self.id = id
        }
    }

    /// Where the reading began; nil for the beginning of a file of which nothing was read.
    package var from: ReportPosition?
    /// Where the next one begins; nil when there is no file to read.
    package var to: ReportPosition?
    package var lines: [Line] = []
    /// What somebody should know: that a line is no report, or that the file is another one.
    package var flaws: [String] = []
    /// Whether there is more to read by now.
    package var isMore = false

    package init(from: ReportPosition?) {
        self.from = from
        to = from
    }
}
