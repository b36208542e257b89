internal import PMCrypto
internal import PMLog
internal import PMSystem
internal import PMWire

/// The TLS edge: terminates TLS, takes HTTP apart, and hands requests to core or admin.
public enum Edge {
  /// Runs until the supervisor asks it to leave; the exit code of the process.
  public static func run(arguments: [String]) -> Int32 {
    disableMemoryReading()
    do {
      switch arguments.first {
      case EdgeArgument.prepareKey:
        let link = try SupervisorLink(arguments: Array(arguments.dropFirst()))
        let key = try EdgeKey.prepare(link.configuration)
        FileIO.writeStandard(Array("\(key.hex)\n".utf8), to: 1)
      case EdgeArgument.provenKey:
        guard arguments.count > 1, let key = Digest256(hex: arguments[1]) else {
          throw ConfigurationError(EdgeArgument.provenKey, .wrongType("64 hexadecimal digits"))
        }
        try serve(try SupervisorLink(arguments: Array(arguments.dropFirst(2))), provenKey: key)
      default:
        try serve(try SupervisorLink(arguments: arguments), provenKey: nil)
      }
      return ExitCode.done
    } catch let error as ConfigurationError {
      writeToStandardError("pm-edge: \(error)\n")
      Log.write(.edge(.configurationRefused))
      return ExitCode.configuration
    } catch let fault as EdgeEvent.KeyFault {
      Log.write(.edge(.keyRefused(reason: fault)))
      // A disk may be writable again, and the gate may prove another key; a bad one stays bad until
      // somebody looks.
      let mayHeal = fault == .notStored || fault == .another
      return mayHeal ? ExitCode.failed : ExitCode.configuration
    } catch {
      Log.write(.edge(.certificateRefused(reason: .unusable)))
      return ExitCode.failed
    }
  }

  private static func serve(_ link: SupervisorLink, provenKey: Digest256?) throws {
    let configuration = link.configuration
    let paths = try certificatePaths(configuration, provenKey)
    let fleet = EdgeFleet(EdgeSettings(configuration), paths)
    let events = try EventLoop()
    let edge = try EdgeLoop(fleet, events: events)
    try edge.certificates.start()
    // Without a usable pair nothing can be served; the supervisor keeps the old generation.
    guard edge.certificates.context != nil else {
      throw ConfigurationError("tls.certificate", .unreadable(errno: 0))
    }
    if let provenKey, let socket = link.take(.evidence) {
      edge.evidenceClient = EvidenceClient(socket, in: events, fleet.evidence, key: provenKey)
    }
    let listeners = try PublicListeners(link)
    for _ in 1..<configuration.edge.threads { try startLoop(fleet, listeners) }
    try run(edge, of: fleet, listeners) { events.stop() }
    // Under a supervisor traffic waits until this very process has answered a probe.
    if let probe = link.take(.probe) {
      try edge.listen(probe, as: .probe)
    } else {
      fleet.advance(to: .serving)
    }
    link.onInstruction = { if $0 == .reload { fleet.lookAtCertificates() } }
    link.heartbeatFields = { ["X_PM_IN_FLIGHT=\(fleet.clientCount)"] }
    link.onDrain = {
      Log.write(.edge(.draining(connections: fleet.clientCount)))
      fleet.advance(to: .draining)
    }
    try link.attach(to: events)
    Log.write(.edge(.started(threads: configuration.edge.threads)))
    link.ready()
    events.run()
    Log.write(.edge(.stopped))
  }

  /// One more loop, on a thread of its own. A loop that cannot start leaves its share to the
  /// others.
  private static func startLoop(_ fleet: EdgeFleet, _ listeners: PublicListeners) throws {
    try startThread {
      guard let events = try? EventLoop(), let edge = try? EdgeLoop(fleet, events: events),
        (try? edge.certificates.start()) != nil, edge.certificates.context != nil,
        (try? run(edge, of: fleet, listeners, onEnd: {})) != nil
      else { return }
      events.run()
    }
  }

  /// Lets a loop follow the stages of the process. `onEnd` runs on it when no loop has a client.
  private static func run(
    _ edge: EdgeLoop, of fleet: EdgeFleet, _ listeners: PublicListeners,
    onEnd: @escaping () -> Void
  ) throws {
    try listeners.lend(to: edge)
    var (stage, looks, hasLeft) = (EdgeFleet.Stage.proving, 0, false)
    edge.onDrained = {
      if hasLeft { return }
      hasLeft = true
      fleet.leave()
    }
    let wake = try Wake {
      if looks != fleet.looks {
        looks = fleet.looks
        edge.certificates.look()
      }
      let now = fleet.stage
      if stage < now {
        if now == .draining { edge.drain() } else { edge.listenToHeld() }
        stage = now
      }
      edge.evidence.deliver()
      edge.evidenceClient?.begin()
      if fleet.isEmpty { onEnd() }
    }
    try edge.events.add(wake)
    edge.evidence.bell = wake.bell
    if let client = edge.evidenceClient {
      try edge.events.add(client)
      fleet.evidence.open(wake.bell)
    }
    fleet.join(wake.bell)
    // What happened before it joined.
    wake.bell.ring()
  }

  private static func certificatePaths(
    _ configuration: Configuration, _ provenKey: Digest256?
  ) throws -> CertificatePaths {
    if configuration.profile == .production {
      guard let provenKey else { throw ConfigurationError(EdgeArgument.provenKey, .missing) }
      return try EdgeKey.paths(configuration, proven: provenKey)
    }
    if let certificate = configuration.tls.certificate, let key = configuration.tls.key {
      return CertificatePaths([certificate], key: key)
    }
    return try DevelopmentCertificate.make(in: configuration.stateDirectory)
  }
}

/// The listeners that all loops accept on; each loop gets descriptors of its own.
private final class PublicListeners: Sendable {
  private let https: OwnedDescriptor?
  private let http: OwnedDescriptor?

  init(_ link: SupervisorLink) throws {
    https = link.take(.https)
    http = link.take(.http)
  }

  func lend(to edge: EdgeLoop) throws(SystemError) {
    if let copy = try https.duplicate() { edge.hold(copy, as: .https) }
    if let copy = try http.duplicate() { edge.hold(copy, as: .http) }
  }
}
