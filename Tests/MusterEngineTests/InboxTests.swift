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

    @Test func whatHasTimeIsTakenWithOthersOrAfterAMoment() {
        let inbox = Inbox()
        func put(_ number: Int64, mayWait: Bool) {
            inbox.put(.event(.nodeLost(NodeID(number), reason: "")), mayWait: mayWait)
        }
        for number in 1...3 { put(Int64(number), mayWait: true) }
        #expect(inbox.take(timeout: nil).count == 3, "nothing else comes")
        for number in 1...100 { put(Int64(number), mayWait: true) }
        #expect(inbox.take(timeout: nil).count == 100)
        put(1, mayWait: true)
        put(2, mayWait: false)
        #expect(inbox.take(timeout: nil).count == 2)
        put(3, mayWait: true)
        inbox.dropReports()
        #expect(inbox.take(timeout: .zero).isEmpty)
    }

    /// As above, where most of what is put in has time.
    @Test(arguments: [nil, Duration.microseconds(1)])
    func nothingThatHasTimeIsLost(timeout: Duration?) {
        let inbox = Inbox()
        let taken = Mutex(0)
        let (threads, each) = (3, 2000)
        DispatchQueue.concurrentPerform(iterations: threads + 1) { thread in
            guard thread > 0 else {
                var count = 0
                while count < threads * each { count += inbox.take(timeout: timeout).count }
                taken.withLock { $0 = count }
                return
            }
            for number in 0..<each {
                inbox.put(.event(.nodeLost(NodeID(Int64(number)), reason: "")), mayWait: number % 100 != 7)
            }
        }
        #expect(taken.withLock { $0 } == threads * each)
        #expect(inbox.isEmpty)
    }
}
