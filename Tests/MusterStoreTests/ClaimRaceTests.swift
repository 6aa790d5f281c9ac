import Foundation
import MusterCore
import MusterStore
import Synchronization
import Testing

/// Connections of several processes that want the same at the same moment: exactly one of them has it.
@Suite struct ClaimRaceTests {
    let folder = TemporaryFolder()

    @Test func labsThatAreClaimedAtOnceHaveOneHolderEach() throws {
        let made = try SQLiteStore(path: folder.file())
        for number in 0..<60 {
            _ = try made.submit(
                .submit(token: "t\(number)", spec: RunSpec(verb: .plan, lab: "lab-\(number)", labDirectory: "/")),
                at: Timestamp(rawValue: 0)
            )
        }
        let path = folder.file()
        let held = Mutex<[[String]]>([])
        DispatchQueue.concurrentPerform(iterations: 3) { _ in
            do {
                let store = try SQLiteStore(path: path)
                var term = try store.join(host: "host", pid: 1, lease: .seconds(600))
                var labs: [String] = []
                while true {
                    let claim = try store.claim(by: term, limit: 1)
                    term = claim.term
                    if claim.labs.count == labs.count { break }
                    labs = claim.labs
                }
                held.withLock { $0.append(labs) }
            } catch {
                Issue.record(error)
            }
        }
        let all = held.withLock { $0.flatMap(\.self) }
        #expect(all.count == 60, "one lab was given to two: \(all.sorted())")
        #expect(Set(all).count == 60)
    }

    @Test func aRequestThatTwoTakeBackAtOnceIsTakenBackOnce() throws {
        let made = try SQLiteStore(path: folder.file())
        var requests: [Int64] = []
        for number in 0..<40 as Range<Int64> {
            requests.append(try made.submit(.cancel(PlanID(number + 1)), at: Timestamp(rawValue: 0)))
        }
        let (path, wanted) = (folder.file(), requests)
        let taken = Mutex<[Int64]>([])
        DispatchQueue.concurrentPerform(iterations: 2) { _ in
            do {
                let store = try SQLiteStore(path: path)
                for id in wanted where try store.withdraw(request: id) { taken.withLock { $0.append(id) } }
            } catch {
                Issue.record(error)
            }
        }
        #expect(taken.withLock { $0.sorted() } == wanted)
    }
}
