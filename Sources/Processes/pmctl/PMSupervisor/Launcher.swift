internal import PMCrypto
internal import PMJSON
internal import PMSystem
internal import PMWire

/// Starts processes through pm-launch, each with exactly what it needs.
struct Launcher {
  let profile: Profile
  let shelf: ProgramShelf
  /// This program, for one-shots.
  let ownProgram: Program
  let notifyPath: String
  /// The delegated cgroup; nil where processes are killed by group.
  let groupParent: String?

  enum Fault: Error {
    case program(ProgramFault)
    case system(SystemError)
    case noVendorKey
    case argumentRefused
  }

  static let launcherName = "pm-launch"

  /// What starts everything; in production by the descriptor whose bytes were digested.
  private func launchPath() throws(SystemError) -> String {
    guard profile == .production else { return "\(shelf.folder)/\(Self.launcherName)" }
    return "/proc/self/fd/\(try held(Self.launcherName).descriptor.number)"
  }

  /// Digests of all programs of ours, by name; nil if one cannot be opened.
  func digests() -> [String: Digest256]? {
    var digests = ["pmctl": ownProgram.digest]
    let roles = [Role.edge, .core, .admin].map(\.rawValue)
    for name in roles + [Self.launcherName] {
      guard let program = try? shelf.program(name) else { return nil }
      digests[name] = program.digest
    }
    return digests
  }

  private func held(_ name: String) throws(SystemError) -> Program {
    do throws(ProgramFault) {
      return try shelf.program(name)
    } catch {
      if case .unreadable(let errno) = error { throw SystemError(.open, errno) }
      throw SystemError(.open, 0)
    }
  }

  // MARK: Services

  /// Starts a generation; where a gate has proved a key, an edge for that key alone, with a way to
  /// evidence for it. `onOutput` gets what the vendor writes, and nothing at its end.
  func start(
    _ service: Service, _ number: Int, _ configuration: Configuration, _ listeners: Listeners,
    _ credentials: Credentials, provenKey: Digest256?,
    onExit: @escaping (PidHandle.Status) -> Void, onOutput: @escaping ([UInt8]) -> Void
  ) throws(Fault) -> Child {
    let program = try open(service, configuration)
    do throws(SystemError) {
      guard try credentials.provide(service, configuration) else {
        throw SystemError(.malformed, 0)
      }
    } catch {
      if error.call == .malformed { throw .noVendorKey }
      throw .system(error)
    }
    if service == .vendor {
      return try startVendor(number, configuration, credentials, program, onExit, onOutput)
    }
    do throws(SystemError) {
      return try startOurs(
        service, number, configuration, listeners, credentials, program, provenKey, onExit)
    } catch { throw .system(error) }
  }

  private func open(
    _ service: Service, _ configuration: Configuration
  ) throws(Fault) -> Program {
    do throws(ProgramFault) {
      guard service == .vendor else {
        return try shelf.program(service.role.rawValue)
      }
      let path = configuration.vendor.binary ?? "\(shelf.folder)/\(Self.standInName)"
      return try .vendor(path, pin: configuration.vendor.sha256, profile)
    } catch { throw .program(error) }
  }

  /// Plays the vendor in development when no binary is configured.
  static let standInName = "privatemode-proxy-standin"

  private func startOurs(
    _ service: Service, _ number: Int, _ configuration: Configuration, _ listeners: Listeners,
    _ credentials: Credentials, _ program: Program, _ provenKey: Digest256?,
    _ onExit: @escaping (PidHandle.Status) -> Void
  ) throws(SystemError) -> Child {
    var list: [Inheritance.Name] = []
    var descriptors: [HeldDescriptor] = []
    var parts = Child.Parts()
    var arguments = ["pm-launch", service.role.rawValue, profile.rawValue]
    func give(_ name: Inheritance.Name, _ descriptor: consuming OwnedDescriptor) {
      list.append(name)
      descriptors.append(HeldDescriptor(consume descriptor))
    }
    if service == .edge {
      let path = "\(configuration.runtimeDirectory)/probe-\(number).sock"
      parts.probePath = path
      parts.keySource = configuration.tls.keySource
      give(.probe, try UnixSocket.listen(path: path, mode: Listeners.mode(profile)))
      if let provenKey {
        arguments += [EdgeArgument.provenKey, provenKey.hex]
        var pair = try DescriptorPair.stream()
        parts.evidence = HeldDescriptor(pair.first.take())
        if let end = pair.second.take() { give(.evidence, end) }
      }
    }
    var lifeline = try DescriptorPair.pipe()
    var orders = try DescriptorPair.stream()
    parts.lifeline = HeldDescriptor(lifeline.second.take())
    parts.orders = HeldDescriptor(orders.first.take())
    if let end = lifeline.first.take() { give(.lifeline, end) }
    if let end = orders.second.take() { give(.orders, end) }
    let part = configuration.part(for: service.role).utf8
    give(.configuration, try SealedMemory.make(part, name: Inheritance.Name.configuration.rawValue))
    parts.group = try makeGroup(service, number)

    var spawn = Spawn(
      program: try launchPath(), arguments: arguments,
      environment: environment(
        service, names: listenerNames(service) + list, hasGroup: groupParent != nil, credentials))
    try giveListeners(service, listeners, &spawn)
    for box in descriptors { try spawn.give(box.descriptor) }
    return try finish(service, number, spawn, program, parts, onExit)
  }

  private func listenerNames(_ service: Service) -> [Inheritance.Name] {
    switch service {
    case .edge: [.https, .http]
    case .core: [.core, .coreControl]
    case .admin: [.admin]
    case .vendor: []
    }
  }

  /// In the order of `listenerNames`.
  private func giveListeners(
    _ service: Service, _ listeners: Listeners, _ spawn: inout Spawn
  ) throws(SystemError) {
    func give(_ socket: borrowing OwnedDescriptor?) throws(SystemError) {
      switch socket {
      case .some(let socket): try spawn.give(socket)
      case .none: throw SystemError(.listen, 0)
      }
    }
    switch service {
    case .edge:
      try give(listeners.https)
      try give(listeners.http)
    case .core:
      try give(listeners.core)
      try give(listeners.coreControl)
    case .admin: try give(listeners.admin)
    case .vendor: break
    }
  }

  private func startVendor(
    _ number: Int, _ configuration: Configuration, _ credentials: Credentials,
    _ program: Program, _ onExit: @escaping (PidHandle.Status) -> Void,
    _ onOutput: @escaping ([UInt8]) -> Void
  ) throws(Fault) -> Child {
    let workspace = VendorWorkspace.path(configuration)
    let arguments = VendorCommand.arguments(
      configuration.vendor, keyFile: credentials.path(.vendorKey, of: .vendor),
      workspace: workspace)
    guard VendorCommand.isAllowed(arguments) else { throw .argumentRefused }
    do throws(SystemError) {
      let temporary = try VendorWorkspace.prepare(configuration)
      var parts = Child.Parts()
      parts.group = try makeGroup(.vendor, number)
      var spawn = Spawn(
        program: try launchPath(),
        arguments: ["pm-launch", Role.vendor.rawValue, profile.rawValue] + arguments,
        environment: VendorCommand.environment(configuration.vendor, temporaryFolder: temporary)
          .map { "\($0.key)=\($0.value)" } + listEnvironment([], hasGroup: groupParent != nil))
      var pipe = try DescriptorPair.pipe()
      if let end = HeldDescriptor(pipe.second.take()) {
        try spawn.giveOutput(end.descriptor)
        try spawn.giveErrors(end.descriptor)
      }
      let child = try finish(.vendor, number, spawn, program, parts, onExit)
      if let end = pipe.first.take() {
        child.output = PipeReader(end, onBytes: onOutput, onEnd: { onOutput([]) })
      }
      return child
    } catch { throw .system(error) }
  }

  /// Adds what pm-launch takes for itself, and starts it.
  private func finish(
    _ service: Service, _ number: Int, _ spawn: consuming Spawn, _ program: Program,
    _ parts: Child.Parts, _ onExit: @escaping (PidHandle.Status) -> Void
  ) throws(SystemError) -> Child {
    if let group = parts.group { try spawn.give(group.processes) }
    try spawn.give(program.descriptor)
    let handle = try PidHandle(pid: try spawn.start(), onExit: onExit)
    return Child(service, number, handle, program.digest, parts)
  }

  private func makeGroup(_ service: Service, _ number: Int) throws(SystemError) -> ControlGroup? {
    guard let groupParent else { return nil }
    return try ControlGroup(parent: groupParent, service: service, number: number)
  }

  private func environment(
    _ service: Service, names: [Inheritance.Name], hasGroup: Bool, _ credentials: Credentials
  ) -> [String] {
    listEnvironment(names, hasGroup: hasGroup) + [
      "\(Inheritance.notifySocket)=\(notifyPath)",
      "\(Inheritance.watchdogMicroseconds)=\(RuntimeLimits.watchdogMicroseconds)",
      "\(Inheritance.credentialsDirectory)=\(credentials.folder(of: service))",
    ]
  }

  /// The list of descriptors as pm-launch reads it: its own two come last.
  private func listEnvironment(_ names: [Inheritance.Name], hasGroup: Bool) -> [String] {
    let all = names + (hasGroup ? [.cgroup] : []) + [.program]
    return [
      "\(Inheritance.listenCount)=\(all.count)",
      "\(Inheritance.listenNames)=\(all.map(\.rawValue).joined(separator: ":"))",
      "\(Inheritance.swiftBacktrace)=enable=no",
    ]
  }

  // MARK: Once

  /// Starts a one-shot; with the reading end of its output, if it is to be kept.
  func start(
    _ task: OneShot, _ configuration: Configuration,
    onExit: @escaping (PidHandle.Status) -> Void
  ) throws(SystemError) -> (handle: PidHandle, output: HeldDescriptor?) {
    let names = (task.configuration == nil ? [] : [.configuration]) + task.given.map(\.name)
    var spawn = Spawn(
      program: try launchPath(),
      arguments: ["pm-launch", task.role.rawValue, profile.rawValue] + task.arguments,
      environment: listEnvironment(names, hasGroup: false))
    if let input = task.input {
      try spawn.giveInput(try SealedMemory.make(input, name: task.role.rawValue))
    }
    if let part = task.configuration {
      let name = Inheritance.Name.configuration.rawValue
      try spawn.give(try SealedMemory.make(part, name: name))
    }
    for entry in task.given { try spawn.give(entry.descriptor.descriptor) }
    var output: HeldDescriptor?
    if task.outputBytesMax > 0 {
      var pipe = try DescriptorPair.pipe()
      if let end = HeldDescriptor(pipe.second.take()) { try spawn.giveOutput(end.descriptor) }
      output = HeldDescriptor(pipe.first.take())
    }
    switch task.program {
    case .ourselves: try spawn.give(ownProgram.descriptor)
    case .edge: try spawn.give(try held(Role.edge.rawValue).descriptor)
    case .core: try spawn.give(try held(Role.core.rawValue).descriptor)
    }
    return (try PidHandle(pid: try spawn.start(), onExit: onExit), output)
  }
}
