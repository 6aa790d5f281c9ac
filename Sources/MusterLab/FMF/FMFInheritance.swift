/// Gives nodes what their parents have, from the root down.
struct FMFInheritance {
    var merge: FMFMerge

    init(hasShared: Bool) {
        merge = FMFMerge(budget: FMFBudget())
        merge.hasShared = hasShared
    }

    mutating func inherit(_ branch: FMFBranch, from parent: FMFBranch? = nil) throws(FMFProblem) {
        var data = FMFMap()
        if let parent, branch.inherits != false {
            branch.sources = parent.sources + branch.sources
            // Without shared mappings a copy is the same storage until one side changes.
            data = parent.data
            if merge.hasShared {
                var copies = FMFCopies()
                data = try copies.copy(of: parent.data)
                try merge.spend(copies.count)
            }
        }
        merge.node = branch.name
        try merge.apply(branch.data, to: &data)
        branch.data = data
        for child in branch.children { try inherit(child, from: branch) }
    }

    /// The data of all nodes as they are now, before rules change them.
    func snapshots(of branch: FMFBranch) throws(FMFProblem) -> [ObjectIdentifier: FMFMap] {
        var snapshots: [ObjectIdentifier: FMFMap] = [:]
        var left = [branch]
        while let branch = left.popLast() {
            // Nodes without rules are not asked about.
            if branch.data[FMFAdjustment.key] != nil { snapshots[ObjectIdentifier(branch)] = try plain(branch.data) }
            left += branch.children
        }
        return snapshots
    }

    private func plain(_ data: FMFMap) throws(FMFProblem) -> FMFMap {
        guard merge.hasShared else { return data }
        var copies = FMFCopies()
        return try copies.resolve(data)
    }

    /// The nodes in the order of the tree.
    func nodes(
        of branch: FMFBranch,
        before: [ObjectIdentifier: FMFMap],
        files: [String]
    ) throws(FMFProblem) -> [FMFNode] {
        var nodes: [FMFNode] = []
        var left = [branch]
        while let branch = left.popLast() {
            let data = try plain(branch.data)
            let children = branch.sortedChildren
            nodes.append(
                FMFNode(
                    name: branch.name,
                    data: data,
                    sources: branch.sources.map { files[Int($0)] },
                    isSelected: branch.isSelected ?? children.isEmpty,
                    inherited: before[ObjectIdentifier(branch)] ?? data
                )
            )
            left += children.reversed()
        }
        return nodes
    }
}
