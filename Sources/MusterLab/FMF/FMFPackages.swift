import MusterCore

extension FMFSubject {
    /// Names of packages. Libraries are none (see `libraries`), nor is what else stands there, which is noted; files of
    /// the tree are there without that.
    func packages(_ key: String, _ tally: inout FMFTally) throws(FMFError) -> [String] {
        guard let value = self[key] else { return [] }
        let items: [FMFValue] = if case .list(let items) = value { items } else { [value] }
        var packages: [String] = []
        var others: Set<String> = []
        for item in items {
            if let map = item.map {
                let type = map["type"]?.string ?? "library"
                // Nobody can say where it is: it is noted, as tests run without it elsewhere too.
                let isNowhere = type == "library" && map["url"] == nil && map["path"] == nil
                others.insert(isNowhere ? "library without a url" : type)
                continue
            }
            guard let text = Self.text(item) else {
                throw wrong(key, "has \(item.kindWord) where the name of a package should be")
            }
            if text.hasPrefix("library(") {
                others.insert("library without a url")
                continue
            }
            let isName = !text.isEmpty && !text.hasPrefix("-") && !text.contains { $0.isNewline || $0 == "\0" }
            guard isName else {
                throw wrong(key, "has '\(printable(text))', which is the name of no package")
            }
            if !packages.contains(text) { packages.append(text) }
        }
        others.subtract(["file", "library"])
        for other in others { tally.note("\(key): \(other)") }
        return packages
    }
}
