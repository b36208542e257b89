internal import PMAttest
internal import PMLog
internal import PMSupervision
internal import PMSystem
internal import PMWire

/// The running supervisor: feeds the state machine and does what it says. It decides nothing.
public final class Supervisor {
  let loop: EventLoop
  let journal = Journal()
  let configurationPath: String
  let secrets: EnvironmentSecrets
  let gatekeeper: Gatekeeper
  let listeners: Listeners
  let launcher: Launcher
  let oneShots: OneShots
  let tally: DeathTally
  /// Nil where a cgroup takes everything with it.
  let leftovers: Leftovers?
  let systemd: Notifier?
  /// Held as long as this process lives: no second supervisor.
  private let lock: OwnedDescriptor

  /// The configuration in force.
  var file: ConfigurationFile
  var configuration: Configuration { file.configuration }
  var machine: Supervision
  var children: [Child] = [] {
    didSet { leftovers?.write(children.map(\.handle.pid)) }
  }
  var orders = OrderBook()
  var control: ControlServer?
  /// Configurations that passed the check and wait for the machine.
  var candidates: [UInt64: ConfigurationFile] = [:]
  /// Groups whose processes were killed and are not yet gone.
  var emptyGroups: [String] = []
  /// What ended generations said last, while their end is being recorded.
  var ended: [String: Phase?] = [:]
  /// Messages to the notify socket from others than the main process of a generation.
  private var foreignMessages = 0
  private var notifySocket: NotifySocket?
  private(set) lazy var evidenceDesk = EvidenceDesk(gatekeeper) { [unowned self] in
    feed(.firmwareChanged)
  }
  private let ticker = Ticker()
  private var sources: [EventSource] = []
  private var queue: [Event] = []
  private var isFeeding = false

  /// Runs until asked to leave; the exit code. `configurationPath` is read again on `reload`.
  public static func run(configurationPath: String, world: World) -> Int32 {
    OwnProcess.hideMemory()
    SignalSource.block([.terminate, .interrupt, .hangUp, .child])
    OwnProcess.adoptOrphans()
    let stored = InheritedDescriptors.fromEnvironment()
    // Children run in `/`, and one of them reads the file again on `reload`.
    let path =
      configurationPath.hasPrefix("/")
      ? configurationPath : "\(OwnProcess.folder ?? "")/\(configurationPath)"
    do throws(StartFailure) {
      let supervisor = try Supervisor(path, stored, world)
      supervisor.runLoop()
      return ExitCode.done
    } catch {
      error.report()
      return error.exitCode
    }
  }

  private init(
    _ configurationPath: String, _ stored: InheritedDescriptors, _ world: World
  ) throws(StartFailure) {
    let file: ConfigurationFile
    do throws(ConfigurationError) {
      file = try ConfigurationFile(configurationPath)
    } catch { throw .configuration(error) }
    let configuration = file.configuration
    let runtime = configuration.runtimeDirectory
    do throws(SystemError) {
      guard let lock = try Self.enter(configuration) else { throw SystemError(.flock, 0) }
      self.lock = lock
      loop = try EventLoop()
      launcher = try Self.makeLauncher(configuration, journal)
      leftovers = launcher.groupParent == nil ? Leftovers(path: "\(runtime)/children") : nil
      leftovers?.end()
    } catch {
      throw error.call == .flock && error.number == 0 ? .alreadyRuns : .system(error)
    }
    self.configurationPath = configurationPath
    self.file = file
    secrets = file.secrets
    systemd = Notifier.fromEnvironment()
    listeners = Listeners(stored: stored, store: systemd)
    oneShots = OneShots(launcher, loop)
    do throws(SystemError) {
      gatekeeper = try Gatekeeper(world.machine, loop, oneShots, launcher, journal)
    } catch { throw .system(error) }
    tally = DeathTally(path: "\(runtime)/deaths.json")
    machine = Supervision(
      settings: Self.settings(configuration), seed: KernelRandom.seed(), at: loop.now.moment)
    do throws(SystemError) { try addSources() } catch { throw .system(error) }
  }

  /// Makes the folders, and takes the place of the one supervisor for as long as the descriptor
  /// lives; nil if another process has it.
  static func enter(_ configuration: Configuration) throws(SystemError) -> OwnedDescriptor? {
    // A developer may have named any folder of his.
    let isTheirs = configuration.profile == .development
    try FileIO.makeFolder(configuration.runtimeDirectory, mode: 0o755, keepingFound: isTheirs)
    try FileIO.makeFolder(
      configuration.stateDirectory, mode: 0o711,
      owner: Credentials.owner(.core, configuration.profile), keepingFound: isTheirs)
    return try FileIO.lock("\(configuration.runtimeDirectory)/pmctl.lock")
  }

  static func makeLauncher(
    _ configuration: Configuration, _ journal: Journal
  ) throws(SystemError) -> Launcher {
    // The link leads to the file that runs, whatever lies at its path by now.
    let own: Program
    do throws(ProgramFault) {
      own = try Program.ours("/proc/self/exe", .development)
    } catch { throw SystemError(.open, 0) }
    var folder = configuration.programDirectory
    if folder == nil, let path = OwnProcess.programPath, let slash = path.lastIndex(of: "/") {
      folder = String(path[..<slash])
    }
    var parent: String?
    // Set by systemd for a service, whose cgroup is then ours (`Delegate=yes`).
    if configuration.profile == .production, Environment.value("INVOCATION_ID") != nil {
      do throws(SystemError) {
        parent = try ControlGroup.delegated()
      } catch {
        journal.note(.controlGroupMissing(errno: error.number))
      }
    }
    return Launcher(
      profile: configuration.profile,
      shelf: ProgramShelf(folder: folder ?? "/usr/lib/privatemode", profile: configuration.profile),
      ownProgram: own, notifyPath: "\(configuration.runtimeDirectory)/notify.sock",
      groupParent: parent)
  }

  static func settings(_ configuration: Configuration) -> Settings {
    Settings(
      isDevelopment: configuration.profile == .development,
      vendorDrainSeconds: UInt64(configuration.vendor.drainSeconds),
      vendorStartSeconds: UInt64(configuration.vendor.startDeadlineSeconds))
  }

  private func addSources() throws(SystemError) {
    let mode = Listeners.mode(configuration.profile)
    let notify = try NotifySocket(path: launcher.notifyPath, mode: mode) {
      [unowned self] pid, text in heard(pid, text)
    }
    notifySocket = notify
    let control = try ControlServer(
      path: "\(configuration.runtimeDirectory)/\(SocketName.supervisor)", mode: mode, self)
    self.control = control
    let signals = try SignalSource([.terminate, .interrupt, .hangUp, .child]) {
      [unowned self] signal in took(signal)
    }
    ticker.onTick = { [unowned self] in feed(.tick) }
    sources = [notify, control, signals, ticker]
    if let systemd, let beat = SystemdWatchdog(systemd, loop) { sources.append(beat) }
    for source in sources { try loop.add(source) }
  }

  private func runLoop() {
    journal.note(
      .started(profile: configuration.profile == .production ? "production" : "development"))
    if configuration.profile == .development, configuration.vendor.binary == nil {
      journal.note(.standIn)
    }
    feed(.begin)
    loop.run()
  }

  // MARK: Events

  /// Gives events to the machine one after the other, also those that effects cause.
  func feed(_ event: Event) {
    queue.append(event)
    if isFeeding { return }
    isFeeding = true
    while !queue.isEmpty {
      let next = queue.removeFirst()
      for effect in machine.handle(next, at: Instant.now().moment) { apply(effect) }
    }
    isFeeding = false
    let deadline = machine.deadline.map { Instant(nanoseconds: $0.milliseconds &* 1_000_000) }
    loop.setDeadline(ticker, deadline ?? .never)
  }

  private func took(_ signal: SignalSource.Signal) {
    switch signal {
    case .terminate, .interrupt:
      journal.note(.leaving)
      feed(.terminate)
    case .hangUp:
      reload(uid: PeerIdentity.ownUID, deadline: Instant.now().moment.adding(seconds: 60)) { _ in }
    case .child: killStrangers()
    }
  }

  private func heard(_ pid: Int32, _ text: String) {
    guard let child = children.first(where: { $0.handle.pid == pid }) else {
      foreignMessages += 1
      return
    }
    let message = NotifyMessage(text: text)
    child.take(message)
    feed(
      .heard(
        child.service, child.number,
        Report(
          inFlight: message.inFlight, vendor: message.vendor, isHeartbeat: message.isHeartbeat)))
    if message.isReady { feed(.claimedReady(child.service, child.number)) }
  }

  /// Last words come before the end of who said them.
  func hearLastWords() { notifySocket?.drain() }

  /// Processes that left their generation by double forking come to us as orphans; they have no
  /// business to live on.
  private func killStrangers() {
    let known = Set(children.map(\.handle.pid) + oneShots.pids)
    let strangers = OwnProcess.children().filter { !known.contains($0) }
    for pid in strangers { OwnProcess.killStranger(pid) }
    if !strangers.isEmpty { journal.note(.strangersKilled(count: strangers.count)) }
    _ = PidHandle.reapStrangers(except: known)
    emptyGroups.removeAll { ControlGroup.remove($0) }
  }

  var status: StatusReport {
    StatusReport(
      machine: machine, configuration: configuration, children: children,
      standing: gatekeeper.standing,
      droppedMessages: foreignMessages + (notifySocket?.droppedCount ?? 0),
      now: Instant.now().moment)
  }
}

/// Why the supervisor did not start.
enum StartFailure: Error {
  case configuration(ConfigurationError)
  case alreadyRuns
  case system(SystemError)

  var exitCode: Int32 {
    switch self {
    case .configuration: ExitCode.configuration
    case .alreadyRuns: ExitCode.refused
    case .system: ExitCode.failed
    }
  }

  /// For the operator's terminal; nothing else reads standard error this early.
  func report() {
    switch self {
    case .configuration(let error): Terminal.error("pmctl: \(error)")
    case .alreadyRuns: Terminal.error("pmctl: another supervisor runs (pmctl.lock is taken)")
    case .system(let error):
      Terminal.error("pmctl: \(error.call.rawValue) failed (errno \(error.number))")
    }
  }
}

/// Has a deadline and nothing else.
private final class Ticker: EventSource {
  var onTick: () -> Void = {}
  init() { super.init(nil) }
  override func onDeadline() { onTick() }
}

/// Tells systemd that the loop turns, twice as often as it asks (sd_watchdog_enabled(3)).
private final class SystemdWatchdog: EventSource {
  private let notifier: Notifier
  private unowned let loop: EventLoop
  private let everyMilliseconds: UInt64

  init?(_ notifier: Notifier, _ loop: EventLoop) {
    guard let text = Environment.value(Inheritance.watchdogMicroseconds),
      let microseconds = UInt64(text), microseconds >= 2000
    else { return nil }
    (self.notifier, self.loop) = (notifier, loop)
    everyMilliseconds = microseconds / 2000
    super.init(nil)
    loop.setDeadline(self, loop.now.adding(milliseconds: everyMilliseconds))
  }

  override func onDeadline() {
    notifier.send(["WATCHDOG=1"])
    loop.setDeadline(self, loop.now.adding(milliseconds: everyMilliseconds))
  }
}

extension Instant {
  var moment: Moment { Moment(milliseconds: nanoseconds / 1_000_000) }
}

extension KernelRandom {
  static func seed() -> UInt64 {
    var random = KernelRandom()
    return random.next()
  }
}
