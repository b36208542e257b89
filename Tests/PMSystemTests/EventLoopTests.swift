import Testing

@testable import PMSystem

/// Notes what it is told.
private class Witness: EventSource {
  var events = 0
  var deadlines: [Instant] = []
  var onEvent: () -> Void = {}
  weak var loop: EventLoop?

  override func onReady(_ readiness: Readiness) {
    events += 1
    var bytes = ByteBuffer()
    _ = receive(from: self, into: &bytes, upTo: 64)
    onEvent()
  }
  override func onDeadline() { deadlines.append(loop?.now ?? .never) }
}

@Suite struct EventLoopTests {
  private func pair() throws -> (OwnedDescriptorBox, OwnedDescriptorBox) {
    var pair = try DescriptorPair.stream()
    return (OwnedDescriptorBox(pair.first.take()), OwnedDescriptorBox(pair.second.take()))
  }

  /// Two sources, each with its own stream, and the ends that wake them.
  private func twoSources(
    in loop: EventLoop
  ) throws -> (sources: [Witness], peers: [OwnedDescriptorBox]) {
    var (sources, peers): ([Witness], [OwnedDescriptorBox]) = ([], [])
    for _ in 0..<2 {
      let (near, far) = try pair()
      let source = Witness(near.take())
      source.loop = loop
      try loop.add(source)
      sources.append(source)
      peers.append(far)
    }
    return (sources, peers)
  }

  @Test func aSourceRemovedEarlierInTheBatchIsNotCalled() throws {
    let loop = try EventLoop()
    let (sources, peers) = try twoSources(in: loop)
    for peer in peers { peer.send("x") }
    // Whichever comes first removes the other.
    sources[0].onEvent = { loop.remove(sources[1]) }
    sources[1].onEvent = { loop.remove(sources[0]) }
    loop.turn(waitMillisecondsMax: 1000)
    #expect(sources[0].events + sources[1].events == 1)
    #expect(loop.sourceCount == 1)
  }

  @Test func aSlotThatIsUsedAgainInTheBatchGetsNoForeignEvent() throws {
    let loop = try EventLoop()
    let (sources, peers) = try twoSources(in: loop)
    let silent = try pair()
    let newcomer = Witness(silent.0.take())
    for peer in peers { peer.send("x") }
    for (index, source) in sources.enumerated() {
      source.onEvent = {
        loop.remove(sources[1 - index])
        try? loop.add(newcomer)
      }
    }
    loop.turn(waitMillisecondsMax: 1000)
    #expect(newcomer.isInLoop)
    #expect(newcomer.events == 0)
    silent.1.send("y")
    for source in sources { source.onEvent = {} }
    loop.turn(waitMillisecondsMax: 1000)
    #expect(newcomer.events == 1)
  }

  @Test func interestDecidesWhatIsReported() throws {
    let loop = try EventLoop()
    let (near, far) = try pair()
    let source = Witness(near.take())
    try loop.add(source)
    far.send("x")
    loop.setInterest(source, reading: false, writing: false)
    loop.turn(waitMillisecondsMax: 0)
    #expect(source.events == 0)
    loop.setInterest(source, reading: true, writing: false)
    loop.turn(waitMillisecondsMax: 0)
    #expect(source.events == 1)
    loop.remove(source)
    far.send("y")
    loop.turn(waitMillisecondsMax: 0)
    #expect(source.events == 1)
    // Out of the loop this only notes the wish.
    loop.setInterest(source, reading: false, writing: true)
    loop.remove(source)
    #expect(loop.sourceCount == 0)
  }

  @Test func aDescriptorThatCannotBeWatchedIsRefusedAndItsSlotIsFree() throws {
    let loop = try EventLoop()
    // Regular files are always ready; epoll refuses them.
    let file = Witness(try FileIO.open("/etc/passwd"))
    #expect(throws: SystemError.self) { try loop.add(file) }
    #expect(!file.isInLoop)
    #expect(loop.sourceCount == 0)
    try loop.add(Witness(nil))
    #expect(loop.sourceCount == 1)
  }

  // MARK: Deadlines

  private func timer(in loop: EventLoop) throws -> Witness {
    let timer = Witness(nil)
    timer.loop = loop
    try loop.add(timer)
    return timer
  }

  /// Turns until `end`; a loop without anything to wait for may not hang.
  private func run(_ loop: EventLoop, milliseconds: UInt64) {
    let end = Instant.now().adding(milliseconds: milliseconds)
    while Instant.now() < end { loop.turn(waitMillisecondsMax: 10) }
  }

  @Test func aDeadlineFiresOnceAndNotBefore() throws {
    let loop = try EventLoop()
    let source = try timer(in: loop)
    let deadline = Instant.now().adding(milliseconds: 60)
    loop.setDeadline(source, deadline)
    run(loop, milliseconds: 160)
    #expect(source.deadlines.count == 1)
    #expect(source.deadlines.first.map { $0 >= deadline } == true)
    #expect(source.deadline == .never)
  }

  @Test func aDeadlineMovedEarlierFiresEarlier() throws {
    let loop = try EventLoop()
    let source = try timer(in: loop)
    let start = Instant.now()
    loop.setDeadline(source, start.adding(seconds: 3600))
    loop.setDeadline(source, start.adding(milliseconds: 40))
    run(loop, milliseconds: 140)
    #expect(source.deadlines.count == 1)
  }

  @Test func aDeadlineMovedLaterFiresLaterAndOnlyOnce() throws {
    let loop = try EventLoop()
    let source = try timer(in: loop)
    let start = Instant.now()
    loop.setDeadline(source, start.adding(milliseconds: 30))
    loop.setDeadline(source, start.adding(milliseconds: 130))
    run(loop, milliseconds: 230)
    #expect(source.deadlines.count == 1)
    #expect(source.deadlines.first.map { $0 >= start.adding(milliseconds: 130) } == true)
  }

  @Test func aDeadlineTakenBackDoesNotFire() throws {
    let loop = try EventLoop()
    let source = try timer(in: loop)
    loop.setDeadline(source, Instant.now().adding(milliseconds: 20))
    loop.setDeadline(source, .never)
    run(loop, milliseconds: 100)
    #expect(source.deadlines.isEmpty)
  }

  @Test func theDeadlineOfARemovedSourceDoesNotFire() throws {
    let loop = try EventLoop()
    let (gone, heir) = (try timer(in: loop), Witness(nil))
    loop.setDeadline(gone, Instant.now().adding(milliseconds: 20))
    loop.remove(gone)
    // Takes over the slot.
    try loop.add(heir)
    run(loop, milliseconds: 100)
    #expect(gone.deadlines.isEmpty)
    #expect(heir.deadlines.isEmpty)
  }

  @Test func theDeadlineOfASourceThatComesBackFires() throws {
    let loop = try EventLoop()
    let source = try timer(in: loop)
    loop.setDeadline(source, Instant.now().adding(milliseconds: 20))
    loop.remove(source)
    try loop.add(source)
    run(loop, milliseconds: 100)
    #expect(source.deadlines.count == 1)
  }

  @Test func aDeadlineSetWhileOneFiresComesInALaterTurn() throws {
    final class Repeating: EventSource {
      let loop: EventLoop
      var count = 0
      init(_ loop: EventLoop) {
        self.loop = loop
        super.init(nil)
      }
      override func onDeadline() {
        count += 1
        // Past already: must not keep the loop from its events.
        loop.setDeadline(self, Instant(nanoseconds: 0))
      }
    }
    let loop = try EventLoop()
    let source = Repeating(loop)
    try loop.add(source)
    loop.setDeadline(source, Instant(nanoseconds: 0))
    for _ in 0..<3 { loop.turn(waitMillisecondsMax: 100) }
    #expect((1...3).contains(source.count))
  }

  @Test func theBellIsHeardFromAnotherThread() throws {
    let loop = try EventLoop()
    var rings = 0
    let wake = try Wake { rings += 1 }
    try loop.add(wake)
    let bell = wake.bell
    try startThread {
      for _ in 0..<5 { bell.ring() }
    }
    let end = Instant.now().adding(seconds: 5)
    while rings == 0, Instant.now() < end { loop.turn(waitMillisecondsMax: 100) }
    #expect((1...5).contains(rings))
  }

  @Test func stopEndsTheRunAfterItsTurn() throws {
    let loop = try EventLoop()
    let source = try timer(in: loop)
    var turns = 0
    loop.onTurnEnd = {
      turns += 1
      loop.stop()
    }
    loop.setDeadline(source, Instant.now())
    loop.run()
    #expect(turns == 1)
  }
}
