internal import PMAttest
internal import PMCrypto
internal import PMSystem
internal import PMWire

/// Answers edges that ask for evidence: one at a time, a few waiting, and slowly, so that nobody
/// outside can wear out the security processor.
final class EvidenceDesk {
  private struct Ticket {
    let request: EvidenceRequest
    let nonce: Nonce
    let deadline: Instant
    let connection: EvidenceConnection
  }

  private let gatekeeper: Gatekeeper
  /// The machine's firmware changed: the gate has to run again.
  private let onFirmwareChange: () -> Void
  private var waiting: [Ticket] = []
  private var isWorking = false
  private let pace = Pace(
    perSecond: EvidenceLimits.requestsPerSecond, burstSeconds: EvidenceLimits.burstSecondsMax)
  private var account = Pace.Account()

  init(_ gatekeeper: Gatekeeper, onFirmwareChange: @escaping () -> Void) {
    (self.gatekeeper, self.onFirmwareChange) = (gatekeeper, onFirmwareChange)
  }

  func take(_ request: EvidenceRequest, from connection: EvidenceConnection) {
    guard let nonce = Nonce(hex: request.nonce), !nonce.isZero else {
      return connection.refuse(request.id, .malformed, 0)
    }
    let now = Instant.now()
    guard waiting.count < EvidenceLimits.waitingMax, account.admits(pace, at: now) else {
      return connection.refuse(request.id, .busy, Self.busySeconds)
    }
    waiting.append(
      Ticket(
        request: request, nonce: nonce,
        deadline: now.adding(milliseconds: UInt64(request.deadlineMilliseconds)),
        connection: connection))
    work()
  }

  private func work() {
    while !isWorking, !waiting.isEmpty {
      let ticket = waiting.removeFirst()
      // Whoever left, or waited too long, costs no call.
      if ticket.connection.isClosed { continue }
      guard Instant.now() < ticket.deadline,
        let standing = gatekeeper.standing(for: ticket.connection.key)
      else {
        ticket.connection.refuse(ticket.request.id, .unavailable, Self.retrySeconds)
        continue
      }
      isWorking = true
      gatekeeper.collect(ticket.nonce, for: standing) { [unowned self] result in
        isWorking = false
        finish(ticket, standing, result)
        work()
      }
    }
  }

  /// A place is free again, and the pace admits another.
  private static let busySeconds = 1
  /// The gate may run meanwhile.
  private static let retrySeconds = 5

  private func finish(
    _ ticket: Ticket, _ standing: Gatekeeper.Standing, _ result: DeviceThread.Result
  ) {
    switch result {
    case .collected(let body):
      let document = EvidenceDocument(
        nonce: ticket.nonce, claims: standing.preparation.claims, key: standing.key,
        chain: standing.chain, body: body)
      ticket.connection.send(document.json, ticket.request.id)
    case .firmwareChanged:
      ticket.connection.refuse(ticket.request.id, .unavailable, Self.retrySeconds)
      onFirmwareChange()
    case .failed, .seen, .prepared:
      ticket.connection.refuse(ticket.request.id, .unavailable, Self.retrySeconds)
    }
  }
}
