internal import PMLog
internal import PMSystem
internal import PMTLS
internal import PMWire

/// What all loops of the edge share: constants, the table of addresses, the ticket key, and how far
/// the life of the process has gone.
final class EdgeFleet: Sendable {
  /// The stages of an edge, in order; a loop never goes back.
  enum Stage: Int, Sendable, Comparable {
    /// Clients wait in the kernel until the supervisor's probe was answered.
    case proving
    case serving
    case draining
    static func < (a: Stage, b: Stage) -> Bool { a.rawValue < b.rawValue }
  }

  private struct State: Sendable {
    var stage = Stage.proving
    /// Counts orders to read the certificate files now.
    var looks = 0
    var bells: [Wake.Bell] = []
    var busyLoops = 0
    var clients = 0
  }

  let settings: EdgeSettings
  let paths: CertificatePaths
  let addresses: AddressTable
  let ticketKey: TicketKey
  let evidence = EvidenceQueue()
  private let state = Guarded(State())

  init(_ settings: EdgeSettings, _ paths: CertificatePaths) {
    self.settings = settings
    self.paths = paths
    addresses = AddressTable(settings)
    ticketKey = TicketKey()
  }

  /// A loop joins; its bell is rung whenever something changes.
  func join(_ bell: Wake.Bell) {
    state.withLock {
      $0.bells.append(bell)
      $0.busyLoops += 1
    }
  }

  /// A loop has no client left and takes no more.
  func leave() {
    change { state in
      state.busyLoops -= 1
      return state.busyLoops == 0
    }
  }

  /// No loop has a client, and none takes any more.
  var isEmpty: Bool { state.withLock { $0.stage == .draining && $0.busyLoops == 0 } }

  var stage: Stage { state.withLock { $0.stage } }
  var looks: Int { state.withLock { $0.looks } }

  func advance(to stage: Stage) {
    change { state in
      guard state.stage < stage else { return false }
      state.stage = stage
      return true
    }
  }

  /// All loops read the certificate files now.
  func lookAtCertificates() {
    change { state in
      state.looks += 1
      return true
    }
  }

  private func change(_ body: (inout State) -> Bool) {
    let bells = state.withLock { body(&$0) ? $0.bells : [] }
    for bell in bells { bell.ring() }
  }

  /// Connections of all loops.
  var clientCount: Int { state.withLock { $0.clients } }

  /// Counts a connection; false if the process has as many as it may.
  func openClient() -> Bool {
    state.withLock {
      guard $0.clients < settings.connectionsMax else { return false }
      $0.clients += 1
      return true
    }
  }

  func closeClient() { state.withLock { $0.clients -= 1 } }
}

/// The key under which session tickets are made, the same on all loops, so that a session resumes
/// on any of them. It is replaced after a while; older tickets then cost a full handshake.
final class TicketKey: Sendable {
  private struct State: Sendable {
    var bytes = randomBytes(TLSContext.ticketKeyBytes)
    var generation = 0
    var until: Instant
  }
  private let state: Guarded<State>

  init() {
    state = Guarded(State(until: Instant.now().adding(seconds: EdgeBounds.ticketKeySecondsMax)))
  }

  /// The key in force, and a number that changes with it.
  func current(at now: Instant) -> (bytes: [UInt8], generation: Int) {
    state.withLock { state in
      if now >= state.until {
        state.bytes = randomBytes(TLSContext.ticketKeyBytes)
        state.generation += 1
        state.until = now.adding(seconds: EdgeBounds.ticketKeySecondsMax)
      }
      return (state.bytes, state.generation)
    }
  }
}
