/// A text compared byte by byte: two spellings of one accented letter are two names of files.
struct ExactText: Hashable, Comparable, Sendable {
    let text: String
    init(_ text: String) { self.text = text }

    static func == (left: ExactText, right: ExactText) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }
    /// By bytes, which for UTF-8 is by code points.
    static func < (left: ExactText, right: ExactText) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// The paths below an attempt's folder of files, and what each is used for.
struct ResultPaths: Sendable {
    /// Most bytes of one component that file systems take.
    static let componentBytesMax = 255

    enum Use: Hashable, Sendable {
        case folder
        /// Data of the stream, so many bytes.
        case file(byteCount: Int)
        /// A name of the test's output.
        case output
    }

    private var uses: [ExactText: Use] = [:]
    /// Bytes that may be spent on further paths.
    private let bytesMax: Int
    private var bytes = 0

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    func use(of path: String) -> Use? { uses[ExactText(path)] }

    /// The name as a path that stays below where it begins: without components that are empty, `.` or `..`, and with
    /// `_` for control characters (C0, DEL, C1), as ATEX does it.
    ///
    /// - Throws: `.badResult` when nothing is left, or a component is longer than file systems take.
    static func relative(_ name: String) throws(ControlError.Reason) -> String {
        let path = try folder(name)
        guard !path.isEmpty else {
            throw .badResult("the name \(ControlText.quoted(name)) names no file below the test")
        }
        return path
    }

    /// The same for a folder, which may be the one where it begins: then nothing is left.
    ///
    /// - Throws: `.badResult` when a component is longer than file systems take.
    static func folder(_ name: String) throws(ControlError.Reason) -> String {
        // Nearly all names are good as they are.
        if isPlain(name) { return name }
        var path = ""
        var component = ""
        for scalar in name.unicodeScalars {
            if scalar == "/" {
                try add(component, to: &path)
                component = ""
            } else {
                let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                component.unicodeScalars.append(isControl ? "_" : scalar)
            }
        }
        try add(component, to: &path)
        return path
    }

    private static func add(_ component: String, to path: inout String) throws(ControlError.Reason) {
        guard !component.isEmpty, component != ".", component != ".." else { return }
        guard component.utf8.count <= componentBytesMax else {
            throw .badResult(
                "a file's name has a part of \(component.utf8.count) bytes, \(componentBytesMax) at most: "
                    + ControlText.quoted(component)
            )
        }
        if !path.isEmpty { path += "/" }
        path += component
    }

    /// Visible ASCII, not too long, and no component that is empty or has nothing but points.
    private static func isPlain(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= componentBytesMax else { return false }
        var isComponent = false
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "/"):
                guard isComponent else { return false }
                isComponent = false
            case UInt8(ascii: "."): break
            case 0x21..<0x7F: isComponent = true
            default: return false
            }
        }
        return isComponent
    }

    /// Takes a path for the test's output.
    ///
    /// - Throws: `.badResult` when it is in use.
    mutating func claimOutput(_ path: String, for name: String) throws(ControlError.Reason) {
        guard use(of: path) == nil else {
            throw .badResult("'testout' names \(ControlText.quoted(name)), but there is such a file or folder already")
        }
        try makeFolders(of: path)
        try note(path, .output)
    }

    /// Where further data of a file go.
    ///
    /// - Throws: `.badResult` when the path is in use for something else.
    mutating func append(_ byteCount: Int, to path: String, for name: String) throws(ControlError.Reason) -> FilePlace {
        switch use(of: path) {
        case .file(let size)?:
            uses[ExactText(path)] = .file(byteCount: size + byteCount)
            return FilePlace(path: path, offset: size, byteCount: byteCount)
        case .output?:
            throw .badResult("the file \(ControlText.quoted(name)) is a name of the test's output already ('testout')")
        case .folder?:
            throw .badResult("the file \(ControlText.quoted(name)) is a folder with other files already")
        case nil:
            try makeFolders(of: path)
            try note(path, .file(byteCount: byteCount))
            return FilePlace(path: path, offset: 0, byteCount: byteCount)
        }
    }

    private mutating func makeFolders(of path: String) throws(ControlError.Reason) {
        var rest = path[...]
        // From the innermost one out: above a folder that is known all are.
        while let slash = rest.utf8.lastIndex(of: UInt8(ascii: "/")) {
            rest = rest[..<slash]
            switch use(of: String(rest)) {
            case .folder?: return
            case .file?, .output?:
                throw .badResult("\(ControlText.quoted(path)) lies below \(ControlText.quoted(String(rest))), a file")
            case nil: try note(String(rest), .folder)
            }
        }
    }

    private mutating func note(_ path: String, _ use: Use) throws(ControlError.Reason) {
        bytes += path.utf8.count + ResultRules.pathCost
        guard bytes <= bytesMax else { throw .overLimit(.pathBytes, max: bytesMax) }
        uses[ExactText(path)] = use
    }
}
