internal import PMHTTP
internal import PMJSON
internal import PMSystem
internal import PMWire
internal import Synchronization

/// pmctl's control socket: one JSON object per line. The admin process may only read there.
///
/// The sign-in page shows the standing to anybody, and pmctl has few places for clients: so one
/// thread asks at a time, and what it learns, a failure too, is good for `standingSecondsMax`.
final class SupervisorConversation: Sendable {
  private let path: String
  private let known = Mutex<(standing: Result<Standing, ControlError>, at: Instant)?>(nil)

  init(path: String) { self.path = path }

  func standing() throws(ControlError) -> Standing {
    let result = known.withLock { known in
      let fresh = known.flatMap {
        Instant.now() < $0.at.adding(seconds: AdminLimits.standingSecondsMax) ? $0.standing : nil
      }
      if let fresh { return fresh }
      let standing = Result { () throws(ControlError) in
        guard let standing = try ask(.status).lazy.compactMap({ $0["status"] }).first
          .flatMap({ Standing($0) })
        else { throw ControlError.notUnderstood }
        return standing
      }
      known = (standing, .now())
      return standing
    }
    return try result.get()
  }

  /// For those who are signed in. They wait for one another, too.
  func attestation() throws(ControlError) -> GateRecord {
    let result = known.withLock { _ in Result { () throws(ControlError) in try ask(.attest) } }
    guard let attestation = GateRecord(lines: try result.get()) else { throw .notUnderstood }
    return attestation
  }

  /// The lines before the outcome.
  private func ask(_ verb: ControlVerb) throws(ControlError) -> [JSONValue] {
    let request = ControlRequest(
      id: 1, verb: verb, deadlineMilliseconds: Int64(AdminLimits.controlSeconds) * 1000)
    let read: Result<[JSONValue], ControlError>
    do throws(SocketConversation.Fault) {
      read = try SocketConversation.control(path)
        .ask(Array((request.line + "\n").utf8), Self.read)
    } catch {
      switch error {
      case .unreachable(let errno): throw .unreachable(errno: errno)
      case .answerTooLong: throw .notUnderstood
      }
    }
    return try read.get()
  }

  /// Nil until the line with the outcome is there.
  private static func read(
    _ bytes: borrowing Span<UInt8>
  ) -> Result<[JSONValue], ControlError>? {
    var lines: [JSONValue] = []
    var start = 0
    while let end = bytes.firstOffset(of: 0x0A, from: start) {
      let line = [UInt8](copying: bytes.extracting(start..<end))
      start = end + 1
      guard let reply = try? JSONReader.read(line) else { return .failure(.notUnderstood) }
      guard let outcome = ControlOutcome(reply) else {
        lines.append(reply)
        continue
      }
      return outcome.outcome == .done ? .success(lines) : .failure(.refused)
    }
    return nil
  }
}
