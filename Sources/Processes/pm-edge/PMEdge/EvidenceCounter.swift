internal import PMSystem

/// The clients of one loop that wait for evidence.
final class EvidenceCounter {
  private let queue: EvidenceQueue
  private var waiting: [Int64: ClientConnection] = [:]
  /// Wakes this loop; without it nobody can be told.
  var bell: Wake.Bell?

  init(_ queue: EvidenceQueue) { self.queue = queue }

  /// The answer, if there is one at once; else the client is told later.
  func ask(_ nonce: String, for client: ClientConnection) -> EvidenceAnswer? {
    guard let bell else { return EvidenceAnswer.none }
    switch queue.ask(nonce, at: client.loop.now, bell) {
    case .answered(let answer): return answer
    case .waits(let number):
      waiting[number] = client
      client.request.evidenceNumber = number
      return nil
    }
  }

  /// The client does not wait any more.
  func forget(_ number: Int64) {
    waiting[number] = nil
    queue.withdraw(number)
  }

  /// Tells those whose answer is there.
  func deliver() {
    for (number, client) in waiting {
      guard let answer = queue.collect(number) else { continue }
      waiting[number] = nil
      client.request.evidenceNumber = nil
      client.answerEvidence(answer)
    }
  }
}
