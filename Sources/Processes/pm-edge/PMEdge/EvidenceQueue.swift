internal import PMSystem
internal import PMWire

/// What a client that asks for evidence gets.
enum EvidenceAnswer: Equatable, Sendable {
  /// As the supervisor made it for this nonce and our key.
  case document([UInt8])
  case busy(retryAfterSeconds: Int)
  case unavailable(retryAfterSeconds: Int)

  static let none = EvidenceAnswer.unavailable(retryAfterSeconds: EdgeBounds.evidenceRetrySeconds)
}

/// Requests for evidence on their way from all loops to the one that has the socket, and the
/// answers on their way back. One is worked on at a time; a client that leaves frees its place.
final class EvidenceQueue: Sendable {
  struct Ticket: Equatable, Sendable {
    let number: Int64
    let nonce: String
    /// Until when an answer is of use.
    let deadline: Instant
  }

  enum Reception: Equatable, Sendable {
    /// The answer comes later, announced by the bell.
    case waits(number: Int64)
    case answered(EvidenceAnswer)
  }

  private struct Place: Sendable {
    let ticket: Ticket
    let bell: Wake.Bell
    var isTaken = false
    var answer: EvidenceAnswer?
  }

  private struct State: Sendable {
    /// Oldest first.
    var places: [Place] = []
    var lastNumber: Int64 = 0
    /// Rung for new requests; nil while nobody answers.
    var clerk: Wake.Bell?

    func index(of number: Int64) -> Int? { places.firstIndex { $0.ticket.number == number } }
  }

  /// Those that wait, and the one that is worked on.
  private static let placesMax = EvidenceLimits.waitingMax + 1
  private let state = Guarded(State())

  /// From now on somebody takes requests.
  func open(_ clerk: Wake.Bell) { state.withLock { $0.clerk = clerk } }

  /// Nobody takes requests any more; those that wait are answered.
  func close() {
    let bells = state.withLock { state in
      state.clerk = nil
      for index in state.places.indices where state.places[index].answer == nil {
        state.places[index].answer = EvidenceAnswer.none
      }
      return state.places.map(\.bell)
    }
    for bell in bells { bell.ring() }
  }

  /// Asks for a document; `bell` is rung once there is an answer to collect.
  func ask(_ nonce: String, at now: Instant, _ bell: Wake.Bell) -> Reception {
    var clerk: Wake.Bell?
    let reception: Reception = state.withLock { state in
      guard state.clerk != nil else { return .answered(.none) }
      guard state.places.count < Self.placesMax else {
        return .answered(.busy(retryAfterSeconds: 1))
      }
      state.lastNumber += 1
      let deadline = now.adding(
        milliseconds: UInt64(EvidenceLimits.deadlineMillisecondsDefault))
      let ticket = Ticket(number: state.lastNumber, nonce: nonce, deadline: deadline)
      state.places.append(Place(ticket: ticket, bell: bell))
      clerk = state.clerk
      return .waits(number: ticket.number)
    }
    clerk?.ring()
    return reception
  }

  /// The answer to a request, once; nil while there is none.
  func collect(_ number: Int64) -> EvidenceAnswer? {
    state.withLock { state in
      guard let index = state.index(of: number), let answer = state.places[index].answer else {
        return nil
      }
      state.places.remove(at: index)
      return answer
    }
  }

  /// The client has gone.
  func withdraw(_ number: Int64) {
    state.withLock { state in
      if let index = state.index(of: number) { state.places.remove(at: index) }
    }
  }

  /// The next request to work on.
  func next() -> Ticket? {
    state.withLock { state in
      guard let index = state.places.firstIndex(where: { !$0.isTaken }) else { return nil }
      state.places[index].isTaken = true
      return state.places[index].ticket
    }
  }

  /// Answers a request, unless its client has gone.
  func answer(_ number: Int64, _ answer: EvidenceAnswer) {
    let bell = state.withLock { state -> Wake.Bell? in
      guard let index = state.index(of: number) else { return nil }
      state.places[index].answer = answer
      return state.places[index].bell
    }
    bell?.ring()
  }
}
