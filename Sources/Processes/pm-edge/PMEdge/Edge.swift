internal import PMLog
internal import PMSystem
internal import PMTLS
internal import PMWire

/// The TLS edge: terminates TLS, takes HTTP apart, and hands requests to core or admin.
public enum Edge {
  /// Runs until the supervisor asks it to leave; the exit code of the process.
  public static func run(arguments: [String]) -> Int32 {
    disableMemoryReading()
    do {
      try serve(try SupervisorLink(arguments: arguments))
      return ExitCode.done
    } catch let error as ConfigurationError {
      writeToStandardError("pm-edge: \(error)\n")
      Log.write(.edge(.configurationRefused))
      return ExitCode.configuration
    } catch {
      Log.write(.edge(.certificateRefused(reason: .unusable)))
      return ExitCode.failed
    }
  }

  private static func serve(_ link: SupervisorLink) throws {
    let configuration = link.configuration
    let settings = EdgeSettings(configuration)
    let paths = try certificatePaths(configuration)
    let addresses = AddressTable(
      connectionsPerAddressMax: settings.connectionsPerAddressMax, requests: settings.addressWindow)
    let events = try EventLoop()
    let certificates = CertificateWatch(certificate: paths.certificate, key: paths.key, loop: events)
    try certificates.start()
    // Without a usable pair nothing can be served; the supervisor keeps the old generation.
    guard certificates.context != nil else {
      throw ConfigurationError("tls.certificate", .unreadable(errno: 0))
    }
    let edge = try EdgeLoop(
      settings, addresses: addresses, certificates: certificates, events: events)
    if let http = link.take(.http) { edge.hold(http, as: .http) }
    if let https = link.take(.https) { edge.hold(https, as: .https) }
    // Under a supervisor traffic waits until this very process has answered a probe.
    if let probe = link.take(.probe) {
      try edge.listen(probe, as: .probe)
    } else {
      edge.listenToHeld()
    }
    link.onInstruction = { if $0 == .reload { certificates.look() } }
    link.heartbeatFields = { ["X_PM_IN_FLIGHT=\(edge.clientCount)"] }
    link.onDrain = {
      Log.write(.edge(.draining(connections: edge.clientCount)))
      edge.drain()
    }
    edge.onDrained = { events.stop() }
    try link.attach(to: events)
    Log.write(.edge(.started(threads: 1)))
    link.ready()
    events.run()
    Log.write(.edge(.stopped))
  }

  private static func certificatePaths(
    _ configuration: Configuration
  ) throws -> (certificate: String, key: String) {
    if let certificate = configuration.tls.certificate, let key = configuration.tls.key {
      return (certificate, key)
    }
    guard configuration.profile == .development else {
      throw ConfigurationError("tls.certificate", .missing)
    }
    return try DevelopmentCertificate.make(in: configuration.stateDirectory)
  }
}
