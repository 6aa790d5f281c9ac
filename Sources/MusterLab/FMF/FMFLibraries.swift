package import MusterCore

extension FMFSubject {
    /// The libraries of beakerlib that a key asks for, as tmt names them; what else stands there is not looked at.
    func libraries(_ key: String) throws(FMFError) -> [LibraryNeed] {
        guard let value = self[key] else { return [] }
        let items: [FMFValue] = if case .list(let items) = value { items } else { [value] }
        var needs: [LibraryNeed] = []
        for item in items {
            guard let map = item.map, (map["type"]?.string ?? "library") == "library" else { continue }
            guard map["url"] != nil || map["path"] != nil else { continue }
            let place = map.entries.first?.place ?? .none
            let part = FMFSubject(map, named: "\(key) of \(name)", of: tree, at: place)
            let need = try part.library(isRequired: key == "require")
            if !needs.contains(need) { needs.append(need) }
        }
        return needs
    }

    private func library(isRequired: Bool) throws(FMFError) -> LibraryNeed {
        func word(_ key: String) throws(FMFError) -> String? {
            guard let value = self[key] else { return nil }
            guard let text = Self.text(value), !text.isEmpty, !text.hasPrefix("-"),
                !text.contains(where: { $0.isNewline || $0 == "\0" })
            else { throw wrong(key, "is a text that does not begin with '-'") }
            return text
        }
        let (url, path) = (try word("url"), try word("path"))
        guard let origin = url ?? path else { throw wrong("url", "is no text") }
        let last = origin.split(separator: "/").last.map(String.init) ?? ""
        let title = try word("nick") ?? (last.hasSuffix(".git") ? String(last.dropLast(4)) : last)
        let allowed = title.utf8.allSatisfy { byte in
            byte < 0x80
                && (Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
                    || "._-+".utf8.contains(byte))
        }
        guard !title.isEmpty, !title.hasPrefix("."), allowed else {
            throw wrong("nick", "is missing: '\(printable(title))' is no name to import a library by")
        }
        let node = try word("name") ?? "/"
        for (key, text) in [("name", node), ("path", url == nil ? "" : path ?? "")] {
            guard !text.split(separator: "/").contains("..") else {
                throw wrong(key, "leads out of the library's tree")
            }
        }
        guard node.hasPrefix("/") else { throw wrong("name", "is '\(printable(node))': it begins with '/'") }
        let parts = node.split(separator: "/").filter { $0 != "." }
        var need = LibraryNeed(name: "/" + parts.joined(separator: "/"), title: title, isRequired: isRequired)
        need.url = url
        need.ref = try word("ref")
        // What is of this host counts from the tree.
        need.path = url == nil && path?.hasPrefix("/") == false ? "\(tree.root)/\(path ?? "")" : path
        return need
    }
}

/// A library of beakerlib: a node of a tree beside its `lib.sh`.
package enum FMFLibrary {
    /// What a library asks for itself; nothing where its tree says nothing of it.
    ///
    /// - Throws: what is wrong with its tree, and that it is none.
    package static func needs(
        _ root: String,
        _ name: String
    ) throws(FMFError) -> (packages: PackageNeeds, needs: [LibraryNeed]) {
        guard FMFDisk.names(in: root + "/.fmf") != nil else {
            throw FMFError([Diagnostic(file: root, message: "it is no tree of fmf", hint: "it has no folder '.fmf'")])
        }
        let tree = try FMFTree(at: root)
        guard let node = tree.node(name) else { return (PackageNeeds(), []) }
        let subject = FMFSubject(node, of: tree)
        var tally = FMFTally()
        let packages = PackageNeeds(
            require: try subject.packages("require", &tally),
            recommend: try subject.packages("recommend", &tally)
        )
        return (packages, try subject.libraries("require") + subject.libraries("recommend"))
    }
}
