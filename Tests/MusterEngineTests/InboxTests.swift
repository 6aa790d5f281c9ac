import Foundation
import MusterCore
import MusterEngine
import Synchronization
import Testing

@Suite struct InboxTests {
    @Test func itemsAreTakenAllAtOnceInTheirOrder() {
        let inbox = Inbox()
        #expect(inbox.isEmpty)
        for node in 1...3 { inbox.put(.nodeLost(NodeID(Int64(node)), reason: "")) }
        inbox.put(.requestsArrived)
        inbox.put(.requestsArrived)
        #expect(!inbox.isEmpty)
        #expect(inbox.take(timeout: nil).count == 4, "wake-ups of the same kind are one")
        #expect(inbox.isEmpty)
        #expect(inbox.take(timeout: .zero).isEmpty)
        inbox.put(.requestsArrived)
        #expect(inbox.take(timeout: nil).count == 1)
    }

    /// Whatever the race between putting, waiting and the end of a wait: nothing is lost, and nobody waits for ever.
    @Test(arguments: [nil, Duration.microseconds(1)])
    func nothingIsLostBetweenPuttingAndWaiting(timeout: Duration?) {
        let inbox = Inbox()
        let taken = Mutex(0)
        let (threads, each) = (3, 5000)
        DispatchQueue.concurrentPerform(iterations: threads + 1) { thread in
            guard thread > 0 else {
                var count = 0
                while count < threads * each { count += inbox.take(timeout: timeout).count }
                taken.withLock { $0 = count }
                return
            }
            for number in 0..<each { inbox.put(.nodeLost(NodeID(Int64(number)), reason: "")) }
        }
        #expect(taken.withLock { $0 } == threads * each)
        #expect(inbox.isEmpty)
    }
}
