/// A library of beakerlib that a test imports.
package struct LibraryNeed: Hashable, Sendable, Codable {
    /// Where its repository is cloned from; nil for one that stands on this host.
    package var url: String?
    /// The branch, tag or commit; nil for what the repository gives.
    package var ref: String?
    /// The root of its tree: absolute without `url`, else relative to the top of the repository.
    package var path: String?
    /// Its node in the tree, from `/` on.
    package var name: String
    /// The first part of the name by which tests import it.
    package var title: String
    /// Whether a test cannot do without it.
    package var isRequired: Bool

    package init(name: String = "/", title: String, isRequired: Bool = true) {
        self.name = name
        self.title = title
        self.isRequired = isRequired
    }

    /// Where it comes from, for people: without what stands before the host in an address, which may be a secret.
    package var source: String {
        guard let url else { return path ?? "/" }
        guard let scheme = url.firstRange(of: "://"), let at = url[scheme.upperBound...].firstIndex(of: "@"),
            !url[scheme.upperBound..<at].contains("/")
        else { return url }
        return String(url[..<scheme.upperBound] + url[url.index(after: at)...])
    }
}

/// Libraries as a run has them, for tests that ask for the same ones.
package struct LibrarySet: Hashable, Sendable, Codable {
    package var needs: [LibraryNeed]
    /// An absolute path of this host.
    package var folder: String
    /// Why a test that asks for them cannot run; nil when what is required is there.
    package var flaw: String?

    package init(needs: [LibraryNeed], folder: String, flaw: String? = nil) {
        self.needs = needs
        self.folder = folder
        self.flaw = flaw
    }
}
