import PMCrypto
import PMLog
import PMStore
import PMSystem
import PMWire

/// The core: keys, limits, ledger and metering, and the only way to the vendor.
public enum Core {
  /// Runs until the supervisor asks it to leave; the exit code of the process.
  public static func run(arguments: [String]) -> Int32 {
    disableMemoryReading()
    let order = arguments.first.flatMap { CoreArgument(rawValue: $0) }
    do {
      let link = try SupervisorLink(arguments: Array(arguments.dropFirst(order == nil ? 0 : 1)))
      switch order {
      case .restore: return RestoreRole.run(link)
      case .describe:
        let line = try CoreDescription.line(link.configuration)
        FileIO.writeStandard(Array(line.utf8), to: 1)
      case nil: try serve(link)
      }
      return ExitCode.done
    } catch let error as ConfigurationError {
      writeToStandardError("pm-core: \(error)\n")
      Log.write(.core(.configurationRefused))
      return ExitCode.configuration
    } catch let error as AccountsError {
      Log.write(.core(.ledgerRefused(reason: error.word)))
      return error.exitCode
    } catch {
      Log.write(.core(.ledgerRefused(reason: "cannot-start")))
      return ExitCode.failed
    }
  }

  private static func serve(_ link: SupervisorLink) throws {
    let events = try EventLoop()
    let configuration = link.configuration
    try FileIO.makeFolder(configuration.stateDirectory, mode: 0o700)
    try Restoration(stateDirectory: configuration.stateDirectory).finish(at: .now())
    let place = AccountsPlace(
      stateDirectory: configuration.stateDirectory,
      credentialsDirectory: Environment.value(Inheritance.credentialsDirectory),
      limits: configuration.limits, vendor: configuration.vendor.limits)
    let accounts = try Accounts(place, now: .now(), wall: .now())
    // The bell may ring only once the core exists.
    weak var ringing: CoreLoop?
    let bell = try Wake { ringing?.collect() }
    try events.add(bell)
    let ledger = try Ledger(path: accounts.ledgerPath, loopBell: bell.bell)
    let core = CoreLoop(
      events: events, configuration: configuration, accounts: accounts, ledger: ledger,
      holders: try HolderDesk(ledgerPath: accounts.ledgerPath, in: events),
      receipts: try ReceiptDesk(accounts, configuration, in: events))
    let desk = try ControlDesk(
      accounts, ledger, in: events, access: access(configuration), keysFile: configuration.keysFile)
    accounts.settings.onAddressLimit = { [unowned core] in core.addressLimit = $0 }
    accounts.admission.onAlarm = { accounts.alarms.raise($0, $1, at: .now()) }
    desk.metricText = { [unowned core] in core.metricText() }
    desk.ledgerStanding = { [unowned core] in core.ledgerStanding }
    core.onSetsFinished = { desk.finish($0) }
    ringing = core
    events.onTurnEnd = { [unowned core] in core.endTurn() }
    let listeners = try listen(link, core, desk)
    connect(link, core)
    try link.attach(to: events)
    Log.write(.core(.started(keys: accounts.keys.count, unsettled: accounts.unsettled)))
    link.ready()
    core.watchVendor()
    core.onDrained = { [unowned events] in events.stop() }
    link.onDrain = { [unowned core, unowned events] in
      Log.write(.core(.draining(requests: core.inFlight)))
      for listener in listeners { events.remove(listener) }
      core.drain()
    }
    events.run()
    core.closeLedger()
    Log.write(.core(.stopped))
  }

  /// Who may use the control socket: root, the configured administrators, and the admin pages.
  private static func access(_ configuration: Configuration) -> ControlAccess {
    let page = Account(named: Role.admin.account)
    return ControlAccess(administrators: configuration.control.adminUIDs, page: page?.uid)
  }

  /// Peers on `core.sock` are the edge and the supervisor's probe; nobody else is answered.
  private static func listen(
    _ link: SupervisorLink, _ core: CoreLoop, _ desk: ControlDesk
  ) throws -> [ListenSource] {
    var listeners: [ListenSource] = []
    let accounts = [Role.edge, .prober].compactMap { Account(named: $0.account)?.uid }
    let peers = Set(accounts + [0, PeerIdentity.ownUID])
    if let socket = link.take(.core) {
      listeners.append(
        ListenSource(socket, in: core.events) { [unowned core] descriptor, _ in
          guard let peer = PeerIdentity(of: descriptor), peers.contains(peer.uid) else { return }
          core.add(EdgeConnection(descriptor, of: core))
        })
    }
    if let socket = link.take(.coreControl) {
      listeners.append(
        ListenSource(socket, in: core.events) { [unowned core] descriptor, _ in
          core.accept(descriptor, for: desk)
        })
    }
    for listener in listeners { try core.events.add(listener) }
    return listeners
  }

  private static func connect(_ link: SupervisorLink, _ core: CoreLoop) {
    let fields = { [unowned core] in
      ["X_PM_VENDOR=\(core.health.word)", "X_PM_IN_FLIGHT=\(core.vendorCalls)"]
    }
    link.heartbeatFields = fields
    core.onVendorChanged = { [unowned link] in link.tell(fields()) }
    link.onInstruction = { [unowned core] order in
      switch order {
      case .drainVendor: core.drainVendor()
      case .resumeVendor: core.resumeVendor()
      case .reload: break
      }
    }
  }
}
