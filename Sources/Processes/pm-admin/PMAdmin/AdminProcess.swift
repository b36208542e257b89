internal import PMCrypto
internal import PMLog
internal import PMSystem
internal import PMWire

/// The admin process from its start to its end.
public enum AdminProcess {
  /// Serves the pages on the inherited socket until asked to leave; returns the exit code.
  public static func run(arguments: [String]) -> Int32 {
    disableMemoryReading()
    do {
      let link = try SupervisorLink(arguments: arguments)
      guard let listener = link.take(.admin) else {
        throw ConfigurationError("LISTEN_FDNAMES", .missing)
      }
      let password = try readPassword(link.configuration)
      let site = try Site(
        surroundings(link.configuration, password),
        isProduction: link.configuration.profile == .production,
        publicName: link.configuration.publicName)
      Log.write(.admin(.started(signInEnabled: password != nil)))
      try serve(listener, site, link)
      Log.write(.admin(.stopped))
      return ExitCode.done
    } catch let error as ConfigurationError {
      writeToStandardError("pm-admin: \(error)\n")
      Log.write(.admin(.configurationRefused))
      return ExitCode.configuration
    } catch {
      // Another try may have what lacked.
      Log.write(.admin(.startFailed(errno: (error as? SystemError)?.number ?? 0)))
      return ExitCode.transient
    }
  }

  private static func serve(
    _ listener: consuming OwnedDescriptor, _ site: Site, _ link: SupervisorLink
  ) throws(SystemError) {
    let loop = try EventLoop()
    let others = [Role.edge, .prober].compactMap { Account(named: $0.account)?.uid }
    let known = Set([PeerIdentity.ownUID, 0] + others)
    let server = try Server(
      listener, site: site, loop: loop,
      mayConnect: { known.contains($0.uid) },
      onDrained: { loop.stop() })
    let sweep = Timer(loop) { site.sweep() }
    try loop.add(sweep)
    sweep.start(everySeconds: AdminLimits.sweepSeconds)
    let drainEnd = Timer(loop) { loop.stop() }
    try loop.add(drainEnd)
    link.heartbeatFields = { ["X_PM_IN_FLIGHT=\(server.answersInFlight)"] }
    link.onDrain = {
      drainEnd.start(everySeconds: AdminLimits.drainSecondsMax)
      server.drain()
    }
    try link.attach(to: loop)
    link.ready()
    loop.run()
  }

  private static func surroundings(
    _ configuration: Configuration, _ password: Password?
  ) -> Site.Surroundings {
    let folder = configuration.runtimeDirectory
    let appliance = ApplianceSockets(
      core: CoreConversation(path: "\(folder)/\(SocketName.coreControl)"),
      supervisor: SupervisorConversation(path: "\(folder)/\(SocketName.supervisor)"))
    var isPassword: (@Sendable ([UInt8]) -> Bool)?
    if let password { isPassword = { password.matches($0) } }
    return Site.Surroundings(
      appliance: appliance, isPassword: isPassword, random: { randomBytes($0) }, now: { .now() },
      log: { Log.write(.admin($0)) })
  }

  /// The password from the credential that pmctl wrote, else, run by hand, from the configured
  /// file; nil if there is neither. One that is there and cannot be read is an error.
  private static func readPassword(_ configuration: Configuration) throws -> Password? {
    let folder = Environment.value(Inheritance.credentialsDirectory)
    if let folder,
      let password = try readPassword(
        "\(folder)/\(CredentialName.adminPassword.rawValue)", mayLack: true)
    {
      return password
    }
    guard let path = configuration.adminPasswordFile else { return nil }
    return try readPassword(path, mayLack: false)
  }

  private static func readPassword(_ path: String, mayLack: Bool) throws -> Password? {
    let plain: ByteBuffer
    do throws(SystemError) {
      plain = try FileIO.readSecret(path, bytesMax: AdminLimits.passwordBytesMax)
    } catch {
      if mayLack, error.isAbsence { return nil }
      throw ConfigurationError("admin.passwordFile", .unreadable(errno: error.number))
    }
    return try Password(plain)
  }
}

/// Calls again and again, on the loop.
private final class Timer: EventSource {
  private unowned let loop: EventLoop
  private let onTick: () -> Void
  private var seconds: UInt64 = 0

  init(_ loop: EventLoop, _ onTick: @escaping () -> Void) {
    self.loop = loop
    self.onTick = onTick
    super.init(nil)
  }

  func start(everySeconds seconds: UInt64) {
    self.seconds = seconds
    loop.setDeadline(self, Instant.now().adding(seconds: seconds))
  }

  override func onDeadline() {
    onTick()
    start(everySeconds: seconds)
  }
}
